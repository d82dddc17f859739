package livechat

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

func (r *reading) incomingEvent() []messages.Event {
	if !validID(r.ChatID) || !optionalIDs(r.ThreadID) {
		return nil
	}
	e, ok := r.threadEvent(r.ChatID, r.ThreadID, &r.Event, nil, nil)
	if !ok {
		return nil
	}
	return []messages.Event{e}
}

func (r *reading) eventUpdated() []messages.Event {
	if !validID(r.ChatID) || !validID(r.Event.ID) || !optionalIDs(r.ThreadID) {
		return nil
	}
	if r.Event.Deleted {
		return []messages.Event{r.removed(r.ChatID, &r.Event, nil)}
	}
	m, tells, ok := r.message(&r.Event, r.ThreadID, nil)
	if !ok {
		return nil
	}
	if !tells.author {
		m.Author, m.AuthorGuessed = messages.Author{}, false
	}
	m.Internal = m.Internal || !tells.visibility
	return []messages.Event{messages.MessageUpdated{
		Origin: origin(r.identity, r.ChatID), Message: m, KeepsAuthor: !tells.author, KeepsVisibility: !tells.visibility,
		EditedAt: r.now(), Revision: r.revision(),
	}}
}

func (r *reading) eventDeleted() []messages.Event {
	if !validID(r.ChatID) || !validID(r.EventID) {
		return nil
	}
	return []messages.Event{r.deleted(r.ChatID, r.EventID)}
}

func (r *reading) deleted(chatID, id string) messages.MessageDeleted {
	return messages.MessageDeleted{Origin: origin(r.identity, chatID), MessageID: id, DeletedAt: r.now()}
}

// removed is the deletion of a message whose event is still there without its content. Its place is told where the event
// has all that makes one.
func (r *reading) removed(chatID string, e *event, people []messages.Person) messages.MessageDeleted {
	deletion := r.deleted(chatID, e.ID)
	m, tells, ok := r.message(e, "", people)
	if !ok || !isTime(e.CreatedAt) {
		return deletion
	}
	deletion.Place = &messages.Place{Type: m.Type, CreatedAt: m.CreatedAt}
	if tells.author {
		deletion.Place.Author, deletion.Place.AuthorGuessed = &m.Author, m.AuthorGuessed
	}
	if tells.visibility {
		deletion.Place.Internal = &m.Internal
	}
	return deletion
}

// postbackPressed makes a message of a pressed button. LiveChat gives the press no id, so it is named by what was
// pressed, by whom, and the revision.
func (r *reading) postbackPressed() []messages.Event {
	if !validID(r.ChatID) || !validID(r.EventID) || !validID(r.UserID) || !optionalIDs(r.ThreadID, r.Postback.ID) {
		return nil
	}
	p := r.pressed(&r.Postback, r.EventID)
	p.ThreadID = r.ThreadID
	revision := r.revision()
	m := messages.Message{
		ID:        messages.PostbackID(r.EventID, r.UserID, revision),
		Type:      messages.MessagePostback,
		Content:   &messages.Content{ThreadID: r.ThreadID, Postback: p},
		CreatedAt: r.now(),
	}
	m.Author, m.AuthorGuessed = author(r.UserID, nil)
	return []messages.Event{messages.MessageReceived{Origin: origin(r.identity, r.ChatID), Message: m, Revision: revision}}
}

// seen wants a moment: without one there is no telling what was seen.
func (r *reading) seen() []messages.Event {
	if !validID(r.ChatID) || !validID(r.UserID) || !isTime(r.SeenUpTo) {
		return nil
	}
	return []messages.Event{messages.MessagesSeen{Origin: origin(r.identity, r.ChatID), By: r.UserID, UpTo: r.SeenUpTo}}
}

// revision names this change, because LiveChat does not.
func (r *reading) revision() string { return messages.Revision(r.raw, r.receivedAt) }

// micros is how LiveChat writes times: RFC 3339 in UTC with six fractional digits.
const micros = "2006-01-02T15:04:05.000000Z"

// now is when livepipe was told.
func (r *reading) now() string { return r.receivedAt.UTC().Format(micros) }

// at is the time as it was sent, or now where that is no time.
func (r *reading) at(sent string) string {
	if isTime(sent) {
		return sent
	}
	if sent != "" {
		r.note(repairUnread, 1)
	}
	return r.now()
}

func isTime(s string) bool {
	_, err := messages.ParseTime(s)
	return err == nil && len(s) <= maxWord
}

// optionalIDs reports whether each id is absent or one that a key may hold.
func optionalIDs(ids ...string) bool {
	for _, id := range ids {
		if id != "" && !validID(id) {
			return false
		}
	}
	return true
}

// kept is the value as it was sent, nil when there is none or nobody could keep it.
func (r *reading) kept(v jsontext.Value) jsontext.Value {
	if v.Kind() == 0 || v.Kind() == 'n' {
		return nil
	}
	if !keepable(v) {
		r.note(repairDropped, 1)
		return nil
	}
	return v
}

// object is kept for what is documented as an object.
func (r *reading) object(v jsontext.Value) jsontext.Value {
	if v.Kind() != '{' {
		r.unread(v)
		return nil
	}
	return r.kept(v)
}

// unread counts a member of another type than LiveChat documents, where there is one.
func (r *reading) unread(v jsontext.Value) {
	if len(v) > 0 && v.Kind() != 'n' {
		r.note(repairUnread, 1)
	}
}

// note counts what was done to the body.
func (r *reading) note(repair string, n int) {
	if n == 0 {
		return
	}
	if r.repaired == nil {
		r.repaired = map[string]int{}
	}
	r.repaired[repair] += n
}
