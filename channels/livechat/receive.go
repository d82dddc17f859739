package livechat

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// The words for "somebody wrote". Either path takes either word under its own key, because both mean one message in the
// path's own shape. Any other word is something that LiveChat may add one day.
const (
	incomingChat    = "incoming_chat"
	incomingMessage = "incoming_message"
)

func known(event string) bool { return event == incomingChat || event == incomingMessage }

// webhookBody is the body of POST /webhooks/livechat/{identifier}.
type webhookBody struct {
	EventType string `json:"event_type"`
	ChatID    string `json:"chat_id"`
	Message   struct {
		ID        string  `json:"id"`
		Text      *string `json:"text"`
		Timestamp string  `json:"timestamp"`
	} `json:"message"`
	Visitor messages.Visitor `json:"visitor"`
}

// webhookReply answers a webhook.
type webhookReply struct {
	Status    string `json:"status"`
	MessageID string `json:"messageId,omitzero"` // absent when the body is not about one message
}

// ignoredReply answers an event that we have no word for.
type ignoredReply struct {
	Status string `json:"status"`
}

// answer makes the reply of a path. The id is empty when the body is not about one message.
type answer func(messageID string, queuedAt time.Time) any

func answerWebhook(id string, _ time.Time) any { return &webhookReply{"received", id} }

func answerMessage(id string, queuedAt time.Time) any {
	return &messageReply{"processed", id, queuedAt.UTC().Format(milliseconds)}
}

func decodeWebhook(r channels.Request) (channels.Received, error) {
	var body webhookBody
	err := channels.DecodeStrict(r.Body, &body)
	if unknown, ok := ignore(r, "event_type", body.EventType, err); ok {
		return unknown, nil
	}
	if err != nil {
		return channels.Received{}, err
	}
	if err := body.check(); err != nil {
		return channels.Received{}, err
	}
	event := messages.MessageReceived{
		Origin: origin(r.Identity, body.ChatID),
		Message: messages.Message{
			ID: body.Message.ID, Type: messages.MessageText, Text: body.Message.Text,
			Author:    messages.Author{ID: body.Visitor.ID, Type: "visitor"},
			CreatedAt: body.Message.Timestamp,
		},
		Visitor: &body.Visitor,
	}
	id := event.Message.ID
	return channels.Received{
		Events: []messages.Event{event},
		Reply:  func(queuedAt time.Time) any { return answerWebhook(id, queuedAt) },
	}, nil
}

func (b *webhookBody) check() error {
	var f fields
	f.word("event_type", b.EventType)
	f.id("chat_id", b.ChatID)
	f.id("message.id", b.Message.ID)
	if b.Message.Text == nil {
		f.refuse(channels.CodeMissingField, "message.text", "The field is required.")
	} else {
		f.text("message.text", *b.Message.Text, maxText)
	}
	f.time("message.timestamp", b.Message.Timestamp)
	f.id("visitor.id", b.Visitor.ID)
	f.text("visitor.name", b.Visitor.Name, maxName)
	f.text("visitor.email", b.Visitor.Email, maxName)
	return f.err()
}

// messageBody is the body of POST /livechat/{identifier}.
type messageBody struct {
	Event   string `json:"event"`
	ChatID  string `json:"chat_id"`
	Message struct {
		ID        string          `json:"id"`
		Type      string          `json:"type"`
		Text      *string         `json:"text"`
		Author    messages.Author `json:"author"`
		CreatedAt string          `json:"created_at"`
	} `json:"message"`
}

// messageReply answers a message.
type messageReply struct {
	Status    string `json:"status"`
	MessageID string `json:"messageId,omitzero"`
	QueuedAt  string `json:"queuedAt"`
}

// milliseconds is RFC 3339 with exactly three fractional digits, for a time in UTC.
const milliseconds = "2006-01-02T15:04:05.000Z"

func decodeMessage(r channels.Request) (channels.Received, error) {
	var body messageBody
	err := channels.DecodeStrict(r.Body, &body)
	if unknown, ok := ignore(r, "event", body.Event, err); ok {
		return unknown, nil
	}
	if err != nil {
		return channels.Received{}, err
	}
	if err := body.check(); err != nil {
		return channels.Received{}, err
	}
	m := &body.Message
	event := messages.MessageReceived{
		Origin: origin(r.Identity, body.ChatID),
		Message: messages.Message{
			ID: m.ID, Type: m.Type, Text: m.Text, Author: m.Author, CreatedAt: m.CreatedAt,
		},
	}
	id := m.ID
	return channels.Received{
		Events: []messages.Event{event},
		Reply:  func(queuedAt time.Time) any { return answerMessage(id, queuedAt) },
	}, nil
}

func (b *messageBody) check() error {
	var f fields
	f.word("event", b.Event)
	f.id("chat_id", b.ChatID)
	f.id("message.id", b.Message.ID)
	f.word("message.type", b.Message.Type)
	switch {
	case b.Message.Text != nil:
		f.text("message.text", *b.Message.Text, maxText)
	case b.Message.Type == messages.MessageText:
		f.refuse(channels.CodeMissingField, "message.text", "The field is required for a text message.")
	}
	f.id("message.author.id", b.Message.Author.ID)
	f.word("message.author.type", b.Message.Author.Type)
	f.time("message.created_at", b.Message.CreatedAt)
	return f.err()
}

// ignore answers an event whose word we do not know, whatever the shape of the rest: a 4xx would make LiveChat send it
// again. Only a body that is not JSON stays an error.
func ignore(r channels.Request, key, event string, err error) (channels.Received, bool) {
	if err != nil {
		event = wordOf(r.Body, key)
	}
	if event == "" || known(event) {
		return channels.Received{}, false
	}
	read := reading{identity: r.Identity, receivedAt: r.ReceivedAt}
	return read.ignored(ignoredEvent, event, r.Body), true
}

// wordOf looks for the word again after a failure, because the decoder may have stopped before it, at a field that has
// another type in that event.
func wordOf(body []byte, key string) string {
	var members map[string]jsontext.Value
	var word string
	if channels.DecodeStrict(body, &members) != nil || json.Unmarshal(members[key], &word) != nil {
		return ""
	}
	return word
}
