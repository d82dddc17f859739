package livechat

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// changed is the one event of an action that changes a conversation in another way than by a message; none when the
// chat has no usable id, or another id of it is not usable.
func (r *reading) changed(chatID string, e messages.ConversationUpdated) []messages.Event {
	if !validID(chatID) || !optionalIDs(e.ThreadID, e.MessageID, e.Removed, e.By) {
		return nil
	}
	e.Origin = origin(r.identity, chatID)
	e.Reason, e.Tag = cut(e.Reason, maxName), cut(e.Tag, maxName)
	if e.At == "" {
		e.At = r.now()
	}
	if e.Change != messages.ChatClosed || e.ThreadID == "" { // a thread closes once
		e.Revision = r.revision()
	}
	return []messages.Event{e}
}

// closed names nobody when LiveChat closed the thread by itself.
func (r *reading) closed() []messages.Event {
	return r.changed(r.ChatID, messages.ConversationUpdated{
		Change: messages.ChatClosed, ThreadID: r.ThreadID, By: r.UserID,
	})
}

func (r *reading) transferred() []messages.Event {
	var agents []string
	for _, id := range r.TransferredTo.AgentIDs {
		if validID(id) {
			agents = append(agents, id)
		} else {
			r.note(repairDropped, 1)
		}
	}
	return r.changed(r.ChatID, messages.ConversationUpdated{
		Change: messages.ChatTransferred, ThreadID: r.ThreadID, By: r.RequesterID, Reason: r.Reason,
		GroupIDs: r.TransferredTo.GroupIDs, AgentIDs: agents, Details: r.details(r.Queue),
	})
}

func (r *reading) accessUpdated() []messages.Event {
	return r.changed(r.accessOf(), messages.ConversationUpdated{
		Change: messages.ChatAccessUpdated, GroupIDs: r.Access.GroupIDs,
	})
}

// accessGranted and accessRevoked, of 3.3 and older, tell a difference and not who has access now: the groups stand in
// the details.
func (r *reading) accessGranted() []messages.Event { return r.accessDiffers("granted") }
func (r *reading) accessRevoked() []messages.Event { return r.accessDiffers("revoked") }

func (r *reading) accessDiffers(how string) []messages.Event {
	details, err := json.Marshal(map[string][]int64{"group_ids": r.Access.GroupIDs}, json.Deterministic(true))
	if err != nil {
		details = nil
	}
	return r.changed(r.accessOf(), messages.ConversationUpdated{
		Change: messages.ChatAccessUpdated, Reason: how, Details: details,
	})
}

// accessOf is the chat's id: the actions about access call it "id".
func (r *reading) accessOf() string {
	if r.ID != "" {
		return r.ID
	}
	return r.ChatID
}

func (r *reading) personAdded() []messages.Event {
	if r.User.Type == "" {
		r.User.Type = r.UserType
	}
	p, ok := person(r.User)
	if !ok {
		return nil
	}
	return r.changed(r.ChatID, messages.ConversationUpdated{
		Change: messages.PersonAdded, ThreadID: r.ThreadID, People: []messages.Person{p},
		By: r.RequesterID, Reason: r.Reason,
	})
}

func (r *reading) personRemoved() []messages.Event {
	if !validID(r.UserID) {
		return nil
	}
	return r.changed(r.ChatID, messages.ConversationUpdated{
		Change: messages.PersonRemoved, ThreadID: r.ThreadID, Removed: r.UserID, By: r.RequesterID, Reason: r.Reason,
	})
}

func tagged(change messages.Change) effect {
	return func(r *reading) []messages.Event {
		return r.changed(r.ChatID, messages.ConversationUpdated{Change: change, ThreadID: r.ThreadID, Tag: r.Tag})
	}
}

func (r *reading) summarized() []messages.Event {
	var s summary
	if len(r.Summary) > 0 {
		unread, _ := readLeniently(r.Summary, &s) // it was read as JSON before
		r.note(repairUnread, unread)
	}
	return r.changed(r.ChatID, messages.ConversationUpdated{
		Change: messages.ThreadSummarySet, At: r.at(s.UpdatedAt), ThreadID: r.ThreadID, Details: r.details(r.Summary),
	})
}

func properties(change messages.Change) effect {
	return func(r *reading) []messages.Event {
		return r.changed(r.ChatID, messages.ConversationUpdated{
			Change: change, ThreadID: r.ThreadID, Details: r.details(r.Properties),
		})
	}
}

func messageProperties(change messages.Change) effect {
	return func(r *reading) []messages.Event {
		if !validID(r.EventID) {
			return nil
		}
		return r.changed(r.ChatID, messages.ConversationUpdated{
			Change: change, ThreadID: r.ThreadID, MessageID: r.EventID, Details: r.details(r.Properties),
		})
	}
}

// sessionFields comes once for each active chat of the customer. It tells the customer's id alone: as one of the people
// it would take the name away that others told.
func (r *reading) sessionFields() []messages.Event {
	return r.changed(r.ActiveChat.ChatID, messages.ConversationUpdated{
		Change: messages.SessionFieldsUpdated, ThreadID: r.ActiveChat.ThreadID, Details: r.details(r.SessionFields),
	})
}

// details are kept without private members.
func (r *reading) details(v jsontext.Value) jsontext.Value {
	if v = r.kept(v); v == nil {
		return nil
	}
	kept, private := secretless(v)
	r.note(repairPrivate, private)
	return kept
}
