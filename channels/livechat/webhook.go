package livechat

import (
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// webhook is the body of LiveChat's webhooks of version 3 (https://platform.text.com/docs/management/webhooks/). What
// says who sent it is read by credentials; additional_data tells nothing that the payload does not.
type webhook struct {
	Action    string         `json:"action"`
	Payload   jsontext.Value `json:"payload"` // an object, or an array of auto_accesses_updated
	Data      jsontext.Value `json:"data"`    // what payload was called in 3.0
	Requester requester      `json:"requester"`
}

// payload is empty where neither name has one.
func (h *webhook) payload() jsontext.Value {
	if len(h.Payload) == 0 {
		return h.Data
	}
	return h.Payload
}

// requester is who changed the configuration; since 3.6.
type requester struct {
	UserID string `json:"user_id"`
}

// payload holds what the payloads of all actions about a conversation hold.
type payload struct {
	ID     string `json:"id"` // of the chat in chat_access_updated, of the customer in customer_session_fields_updated
	ChatID string `json:"chat_id"`
	Chat   chat   `json:"chat"`

	ThreadID    string `json:"thread_id"`
	EventID     string `json:"event_id"`
	Event       event  `json:"event"`
	User        user   `json:"user"`
	UserID      string `json:"user_id"`
	UserType    string `json:"user_type"`
	RequesterID string `json:"requester_id"`

	SeenUpTo      string         `json:"seen_up_to"`
	Postback      postback       `json:"postback"`
	Reason        string         `json:"reason"`
	TransferredTo transfer       `json:"transferred_to"`
	Queue         jsontext.Value `json:"queue"`
	Access        access         `json:"access"`
	Tag           string         `json:"tag"`
	Properties    jsontext.Value `json:"properties"`
	Summary       jsontext.Value `json:"summary"`
	ActiveChat    activeChat     `json:"active_chat"`
	SessionFields jsontext.Value `json:"session_fields"`
}

type transfer struct {
	GroupIDs []int64  `json:"group_ids"`
	AgentIDs []string `json:"agent_ids"`
}

type activeChat struct {
	ChatID   string `json:"chat_id"`
	ThreadID string `json:"thread_id"`
}

type summary struct {
	UpdatedAt string `json:"updated_at"`
}

// reading is one webhook on its way to events.
type reading struct {
	payload
	identity   channels.Identity
	action     string
	raw        jsontext.Value // the payload, repaired
	by         string         // the requester
	receivedAt time.Time
	repaired   map[string]int // what was done to the body; nil until something was
}

// decodeWebhookV3 never refuses what is JSON, because LiveChat would only send it again: what has no effect is ignored.
func decodeWebhookV3(r channels.Request, answer answer) (channels.Received, error) {
	body, repaired, err := repair(r.Body)
	if err != nil {
		return channels.Received{}, err
	}
	var hook webhook
	unread, err := readLeniently(body, &hook)
	if err != nil {
		return channels.Received{}, notJSON()
	}
	read := reading{
		identity: r.Identity, action: hook.Action, raw: hook.payload(), by: hook.Requester.UserID, receivedAt: r.ReceivedAt,
		repaired: repaired,
	}
	read.note(repairUnread, unread)
	effect, known := effects[hook.Action]
	if !known {
		return read.ignored(ignoredAction, hook.Action, read.raw), nil
	}
	var events []messages.Event
	if len(read.raw) > 0 {
		if err := read.readPayload(); err != nil {
			return channels.Received{}, err
		}
		events = effect(&read)
	}
	if len(events) == 0 {
		return read.ignored(ignoredMalformed, hook.Action, read.raw), nil
	}
	id := messageID(events)
	return channels.Received{
		Events: events, Repaired: read.repaired, Reply: func(queuedAt time.Time) any { return answer(id, queuedAt) },
	}, nil
}

// readPayload leaves out an array, which no conversation has.
func (r *reading) readPayload() error {
	if r.raw.Kind() == '[' {
		return nil
	}
	unread, err := readLeniently(r.raw, &r.payload)
	if err != nil {
		return notJSON()
	}
	r.note(repairUnread, unread)
	return nil
}

// messageID is the id of the one message that the events are about, if there is one. Where there are several events the
// first is the opening of a chat.
func messageID(events []messages.Event) string {
	switch e := events[0].(type) {
	case messages.MessageReceived:
		return e.Message.ID
	case messages.MessageUpdated:
		return e.Message.ID
	case messages.MessageDeleted:
		return e.MessageID
	}
	return ""
}

// The words for what has no effect.
const (
	ignoredV2        = "v2"             // a webhook of version 2
	ignoredLifecycle = "app_lifecycle"  // an app was installed, paid for, ...
	ignoredAction    = "unknown_action" // a version-3 action that we have no word for
	ignoredMalformed = "malformed"      // a known action without an id that its effect needs
	ignoredEvent     = "unknown_event"  // a body of our contract with a word that is not in it
)

// ignored is the answer to something without effect, of which those are told whom the routing rules name.
func (r *reading) ignored(word, action string, details jsontext.Value) channels.Received {
	event := r.unknown(action, details)
	return channels.Received{
		Ignored: word, Action: countedAs(word, event.Action), Unknown: event, Repaired: r.repaired,
		Reply: func(time.Time) any { return &ignoredReply{"ignored"} },
	}
}

func (r *reading) unknown(action string, details jsontext.Value) messages.UnknownReceived {
	action = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, action)
	told := r.details(details)
	return messages.UnknownReceived{
		Origin: origin(r.identity, ""), Action: cut(action, maxWord), Details: told, Internal: told != nil && mayBeNote(told),
		Revision: messages.Revision(details, r.receivedAt),
	}
}
