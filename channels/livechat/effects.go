package livechat

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// effect turns what was read into events; none when an id is missing that the effect cannot be without.
type effect func(*reading) []messages.Event

// effects are all actions of versions 3.0 to 3.7: the present name first, then the older ones and the slips of the
// documentation that mean the same.
var effects = map[string]effect{
	"incoming_chat":        (*reading).incomingChat,
	"incoming_chat_thread": (*reading).incomingChat,

	"incoming_event":                 (*reading).incomingEvent,
	"event_updated":                  (*reading).eventUpdated,
	"event_deleted":                  (*reading).eventDeleted,
	"incoming_rich_message_postback": (*reading).postbackPressed,
	"events_marked_as_seen":          (*reading).seen,
	"last_seen_timestamp_updated":    (*reading).seen,

	"chat_deactivated":       (*reading).closed,
	"thread_closed":          (*reading).closed,
	"chat_transferred":       (*reading).transferred,
	"chat_access_updated":    (*reading).accessUpdated,
	"chat_access_granted":    (*reading).accessGranted,
	"access_granted":         (*reading).accessGranted,
	"chat_access_revoked":    (*reading).accessRevoked,
	"access_revoked":         (*reading).accessRevoked,
	"user_added_to_chat":     (*reading).personAdded,
	"chat_user_added":        (*reading).personAdded,
	"user_removed_from_chat": (*reading).personRemoved,
	"chat_user_removed":      (*reading).personRemoved,

	"thread_tagged":        tagged(messages.ThreadTagged),
	"chat_thread_tagged":   tagged(messages.ThreadTagged),
	"thread_untagged":      tagged(messages.ThreadUntagged),
	"chat_thread_untagged": tagged(messages.ThreadUntagged),
	"thread_summary_set":   (*reading).summarized,

	"chat_properties_updated":        properties(messages.ChatPropertiesUpdated),
	"chat_properties_deleted":        properties(messages.ChatPropertiesDeleted),
	"thread_properties_updated":      properties(messages.ThreadPropertiesUpdated),
	"chat_thread_properties_updated": properties(messages.ThreadPropertiesUpdated),
	"thread_properties_deleted":      properties(messages.ThreadPropertiesDeleted),
	"chat_thread_properties_deleted": properties(messages.ThreadPropertiesDeleted),
	"event_properties_updated":       messageProperties(messages.MessagePropertiesUpdated),
	"event_properties_deleted":       messageProperties(messages.MessagePropertiesDeleted),

	"customer_session_fields_updated": (*reading).sessionFields,

	"routing_status_set":    account("routing_status_set"),
	"agent_status_changed":  account("routing_status_set"),
	"incoming_customer":     account("incoming_customer"),
	"customer_created":      account("incoming_customer"),
	"agent_created":         account("agent_created"),
	"agent_approved":        account("agent_approved"),
	"agent_updated":         account("agent_updated"),
	"agent_suspended":       account("agent_suspended"),
	"agent_unsuspended":     account("agent_unsuspended"),
	"agent_deleted":         account("agent_deleted"),
	"auto_accesses_updated": account("auto_accesses_updated"),
	"auto_access_added":     account("auto_access_added"),
	"auto_access_updated":   account("auto_access_updated"),
	"auto_access_deleted":   account("auto_access_deleted"),
	"bot_created":           account("bot_created"),
	"bot_updated":           account("bot_updated"),
	"bot_deleted":           account("bot_deleted"),
	"group_created":         account("group_created"),
	"group_updated":         account("group_updated"),
	"group_deleted":         account("group_deleted"),
	"tag_created":           account("tag_created"),
	"tag_updated":           account("tag_updated"),
	"tag_deleted":           account("tag_deleted"),
	"delete_tag":            account("tag_deleted"),
}

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
	m := messages.Message{
		ID:        "postback_" + messages.Digest(r.EventID, r.UserID, r.revision()),
		Type:      messages.MessagePostback,
		Content:   &messages.Content{Postback: p},
		CreatedAt: r.now(),
	}
	m.Author, m.AuthorGuessed = author(r.UserID, nil)
	return []messages.Event{messages.MessageReceived{Origin: origin(r.identity, r.ChatID), Message: m}}
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
