package livechat

import (
	"maps"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// webhook is the body of LiveChat's webhooks of version 3 (https://platform.text.com/docs/management/webhooks/). What
// says who sent it is read by credentials; additional_data tells nothing that the payload does not.
type webhook struct {
	Action    string         `json:"action"`
	Payload   jsontext.Value `json:"payload"` // an object, or an array of auto_accesses_updated
	Requester requester      `json:"requester"`
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
	dropped    int
}

// decodeWebhookV3 never refuses what is JSON, because LiveChat would only send it again: what has no effect is ignored.
func decodeWebhookV3(r channels.Request, answer answer) (channels.Received, error) {
	body, repaired, err := repair(r.Body)
	if err != nil {
		return channels.Received{}, err
	}
	var hook webhook
	if err := json.Unmarshal(body, &hook, readLeniently); err != nil {
		return channels.Received{}, notJSON()
	}
	read := reading{
		identity: r.Identity, action: hook.Action, raw: hook.Payload, by: hook.Requester.UserID, receivedAt: r.ReceivedAt,
	}
	effect, known := effects[hook.Action]
	if !known {
		return ignored(ignoredAction, unknown(r, hook.Action, hook.Payload), repaired), nil
	}
	if err := json.Unmarshal(hook.Payload, &read.payload, readLeniently); err != nil {
		return channels.Received{}, notJSON()
	}
	events := effect(&read)
	if len(events) == 0 {
		return ignored(ignoredMalformed, unknown(r, hook.Action, hook.Payload), repaired), nil
	}
	if read.dropped > 0 {
		repaired = with(repaired, repairDropped, read.dropped)
	}
	id := messageID(events)
	return channels.Received{
		Events: events, Repaired: repaired, Reply: func(queuedAt time.Time) any { return answer(id, queuedAt) },
	}, nil
}

func with(counts map[string]int, word string, n int) map[string]int {
	counts = maps.Clone(counts)
	if counts == nil {
		counts = map[string]int{}
	}
	counts[word] = n
	return counts
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

func ignored(word string, event messages.UnknownReceived, repaired map[string]int) channels.Received {
	return channels.Received{
		Ignored: word, Action: countedAs(word, event.Action), Unknown: event, Repaired: repaired,
		Reply: func(time.Time) any { return &ignoredReply{"ignored"} },
	}
}

// unknown tells of something without effect to whom the routing rules name.
func unknown(r channels.Request, action string, details jsontext.Value) messages.UnknownReceived {
	action = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, action)
	return messages.UnknownReceived{
		Origin: origin(r.Identity, ""), Action: cut(action, maxWord), Details: secretless(details),
		Revision: messages.Revision(details, r.ReceivedAt),
	}
}
