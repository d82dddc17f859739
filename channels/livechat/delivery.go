package livechat

import (
	"time"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// deliveryBody is the body of POST /livechat/{identifier}?action=delivery_status.
type deliveryBody struct {
	MessageID     string                  `json:"message_id"`
	ChatID        string                  `json:"chat_id"`
	Status        messages.Status         `json:"status"`
	AcceptedAt    string                  `json:"accepted_at"`
	QueuedAt      string                  `json:"queued_at"`
	SendingAt     string                  `json:"sending_at"`
	SentAt        string                  `json:"sent_at"`
	FailedAt      string                  `json:"failed_at"`
	UndeliveredAt string                  `json:"undelivered_at"`
	DeliveredAt   string                  `json:"delivered_at"`
	ReadAt        string                  `json:"read_at"`
	Error         *messages.DeliveryError `json:"error"`
}

// deliveryReply answers a receipt with the status that was given, also when a higher one is known: a repeat must look
// like the first.
type deliveryReply struct {
	Status         string          `json:"status"`
	MessageID      string          `json:"messageId"`
	DeliveryStatus messages.Status `json:"deliveryStatus"`
}

func decodeDelivery(r channels.Request) (channels.Received, error) {
	var body deliveryBody
	if err := channels.DecodeStrict(r.Body, &body); err != nil {
		return channels.Received{}, err
	}
	if err := body.check(); err != nil {
		return channels.Received{}, err
	}
	event := messages.DeliveryUpdated{
		Origin:    origin(r.Identity, body.ChatID),
		MessageID: body.MessageID,
		Status:    body.Status,
		At:        body.at(),
		Error:     body.Error,
	}
	return channels.Received{
		Events: []messages.Event{event},
		Reply: func(time.Time) any {
			return &deliveryReply{"acknowledged", event.MessageID, event.Status}
		},
	}, nil
}

func (b *deliveryBody) check() error {
	var f fields
	f.id("message_id", b.MessageID)
	f.id("chat_id", b.ChatID)
	f.word("status", string(b.Status))
	if _, ok := b.Status.Rank(); !ok {
		f.refuse(channels.CodeInvalidField, "status",
			"The status must be accepted, queued, sending, sent, delivered, read, failed or undelivered.")
	}
	for _, t := range b.times() {
		f.optionalTime(string(t.status)+"_at", t.at)
	}
	if b.Error != nil {
		f.text("error.code", b.Error.Code, maxName)
		f.text("error.reason", b.Error.Reason, maxName)
	}
	return f.err()
}

type statusTime struct {
	status messages.Status
	at     string
}

func (b *deliveryBody) times() [8]statusTime {
	return [8]statusTime{
		{messages.Accepted, b.AcceptedAt},
		{messages.Queued, b.QueuedAt},
		{messages.Sending, b.SendingAt},
		{messages.Sent, b.SentAt},
		{messages.Failed, b.FailedAt},
		{messages.Undelivered, b.UndeliveredAt},
		{messages.Delivered, b.DeliveredAt},
		{messages.Read, b.ReadAt},
	}
}

// at keeps the times that were sent.
func (b *deliveryBody) at() map[messages.Status]string {
	var at map[messages.Status]string
	for _, t := range b.times() {
		if t.at != "" {
			if at == nil {
				at = make(map[messages.Status]string, 1)
			}
			at[t.status] = t.at
		}
	}
	return at
}
