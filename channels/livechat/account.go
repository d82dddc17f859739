package livechat

import (
	"cmp"

	"github.com/livepipe/livepipe/messages"
)

// account is the effect of an action about the account: the payload without secrets under the action's present name.
func account(action string) effect {
	return func(r *reading) []messages.Event {
		subject, ok := r.subject()
		if !ok || !optionalIDs(r.by) {
			return nil
		}
		return []messages.Event{messages.AccountUpdated{
			Origin: origin(r.identity, ""), Action: action, Subject: subject, By: r.by,
			Details: r.details(r.raw), Revision: r.revision(),
		}}
	}
}

// subject names what changed: an agent, a bot, a group, an automatic access or a customer by its id, a tag by its name.
type subject struct {
	ID       string `json:"id"`       // a number for groups
	AgentID  string `json:"agent_id"` // routing_status_set, and agent_deleted of 3.3
	Customer user   `json:"customer"` // incoming_customer
	Name     string `json:"name"`
}

// subject is empty for a list of automatic accesses; false when there is no usable name.
func (r *reading) subject() (string, bool) {
	if r.raw.Kind() == '[' {
		return "", true
	}
	var s subject
	unread, err := readLeniently(r.raw, &s)
	if err != nil {
		return "", false
	}
	r.note(repairUnread, unread)
	name := cmp.Or(s.ID, s.AgentID, s.Customer.ID, s.Name)
	return name, validID(name)
}
