package livechat

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// account is the effect of an action about the account: the payload without secrets under the action's present name.
func account(action string) effect {
	return func(r *reading) []messages.Event {
		subject, ok := subjectOf(r.raw)
		if !ok || !optionalIDs(r.by) {
			return nil
		}
		return []messages.Event{messages.AccountUpdated{
			Origin: origin(r.identity, ""), Action: action, Subject: subject, By: r.by,
			Details: r.details(r.raw), Revision: r.revision(),
		}}
	}
}

// subjectOf is the id of what changed: an agent's, a bot's, a group's (a number), an access's or a customer's, and the
// name of a tag. A list of accesses has none.
func subjectOf(payload jsontext.Value) (string, bool) {
	switch payload.Kind() {
	case '[':
		return "", true
	case '{':
	default:
		return "", false
	}
	var p struct {
		ID       jsontext.Value `json:"id"`
		AgentID  jsontext.Value `json:"agent_id"`
		Customer struct {
			ID jsontext.Value `json:"id"`
		} `json:"customer"`
		Name jsontext.Value `json:"name"`
	}
	if json.Unmarshal(payload, &p) != nil { // the customer is no object
		p.Customer.ID = nil
	}
	for _, v := range []jsontext.Value{p.ID, p.AgentID, p.Customer.ID, p.Name} {
		if id := idOf(v); id != "" {
			return id, validID(id)
		}
	}
	return "", false
}

// idOf reads an id that is a text or an integer.
func idOf(v jsontext.Value) string {
	if _, ok := integer(v); ok {
		return string(v)
	}
	var id string
	if v.Kind() != '"' || json.Unmarshal(v, &id) != nil {
		return ""
	}
	return id
}
