package livechat

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

func (r *reading) incomingEvent() []messages.Event {
	if !validID(r.ChatID) || !optionalIDs(r.ThreadID) {
		return nil
	}
	e, ok := r.threadEvent(r.ChatID, &r.Event, nil, nil)
	if !ok {
		return nil
	}
	return []messages.Event{e}
}

func (r *reading) eventUpdated() []messages.Event {
	if !validID(r.ChatID) || !validID(r.Event.ID) {
		return nil
	}
	if r.Event.Deleted {
		return []messages.Event{r.deleted(r.ChatID, r.Event.ID)}
	}
	m, ok := r.message(&r.Event, nil)
	if !ok {
		return nil
	}
	return []messages.Event{messages.MessageUpdated{
		Origin: origin(r.identity, r.ChatID), Message: m, EditedAt: r.now(), Revision: r.revision(),
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
		Content:   &messages.Content{Postback: p},
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
		r.dropped++
		return nil
	}
	return v
}

// object is kept for what is documented as an object.
func (r *reading) object(v jsontext.Value) jsontext.Value {
	if v.Kind() != '{' {
		return nil
	}
	return r.kept(v)
}
