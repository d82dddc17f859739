package messages

import "strings"

// Type is the CloudEvents type of an event. It is a stable wire string, never the name of a Go type; a change that old
// readers cannot read is a new version.
type Type string

// The event types. "livechat" is the domain, live chat; the channel that an event came through is in its data.
const (
	TypeMessageReceived     Type = "livechat.message.received.v1"
	TypeMessageUpdated      Type = "livechat.message.updated.v1"
	TypeMessageDeleted      Type = "livechat.message.deleted.v1"
	TypeMessagesSeen        Type = "livechat.messages.seen.v1"
	TypeConversationUpdated Type = "livechat.conversation.updated.v1"
	TypeAccountUpdated      Type = "livechat.account.updated.v1"
	TypeUnknownReceived     Type = "livechat.unknown.v1"
	TypeDeliveryUpdated     Type = "livechat.delivery.updated.v1"
	TypeMediaUploaded       Type = "livechat.media.uploaded.v1"
	TypeDispatchRequested   Type = "livechat.dispatch.requested.v1"
)

// Topic is the name that publishers use for events of the type. It has no dots, because AWS refuses them.
func (t Type) Topic() string { return strings.ReplaceAll(string(t), ".", "-") }

// Event is the typed data of an envelope.
type Event interface {
	// Type is the same for every value of the Go type.
	Type() Type
	// From says whose event it is.
	From() Origin
	// Key lists the provider's ids that make the event what it is, for EventID.
	Key() []string
	// Lane is the partition key: events with the same one are handled in order.
	Lane() string
}

// MessageReceived says that somebody wrote in a conversation.
type MessageReceived struct {
	Origin
	Message  Message  `json:"message"`
	Visitor  *Visitor `json:"visitor,omitzero"`
	Revision string   `json:"revision,omitzero"` // of Revision, for a PostbackID; empty where the provider names the message
}

// DeliveryUpdated says how far a message of ours has got. At holds the times of the states, RFC 3339 as sent, keyed by
// the state.
type DeliveryUpdated struct {
	Origin
	MessageID string            `json:"message_id"`
	Status    Status            `json:"status"`
	At        map[Status]string `json:"at,omitzero"`
	Error     *DeliveryError    `json:"error,omitzero"`
}

// DeliveryError is why a message did not arrive. The codes are the carrier's own.
type DeliveryError struct {
	Code   string `json:"code,omitzero"`
	Reason string `json:"reason,omitzero"`
}

// MediaUploaded says that a file is in the blob store under PendingKey(File.ID), not yet safe to serve. File
// describes what was received; Digest is the SHA-256 of its bytes in lower-case hexadecimal.
type MediaUploaded struct {
	Origin
	File       File   `json:"file"`
	Digest     string `json:"digest"`
	UploadedAt string `json:"uploaded_at"`
}

// DispatchRequested asks for one event to be delivered to one destination of the routing rules.
type DispatchRequested struct {
	Origin
	Destination string   `json:"destination"`
	Rule        string   `json:"rule,omitzero"`
	Internal    bool     `json:"internal,omitzero"` // only for a destination that takes internal notes when it is delivered
	Event       Envelope `json:"event"`
	Former      string   `json:"former,omitzero"` // FormerID of the event
}

// FormerID is the id of the same request for the former event; empty where there is none.
func (e DispatchRequested) FormerID() string {
	if e.Former == "" {
		return ""
	}
	e.Event.ID = e.Former
	return idOf(e)
}

// Type implements Event.
func (MessageReceived) Type() Type { return TypeMessageReceived }

// From implements Event.
func (e MessageReceived) From() Origin { return e.Origin }

// Key implements Event: a message is unique within its chat.
func (e MessageReceived) Key() []string { return []string{e.ChatID, e.Message.ID} }

// Lane implements Event: one lane for each conversation.
func (e MessageReceived) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (DeliveryUpdated) Type() Type { return TypeDeliveryUpdated }

// From implements Event.
func (e DeliveryUpdated) From() Origin { return e.Origin }

// Key implements Event: each message reaches each state once.
func (e DeliveryUpdated) Key() []string { return []string{e.ChatID, e.MessageID, string(e.Status)} }

// Lane implements Event: one lane for each conversation.
func (e DeliveryUpdated) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (MediaUploaded) Type() Type { return TypeMediaUploaded }

// From implements Event.
func (e MediaUploaded) From() Origin { return e.Origin }

// Key implements Event.
func (e MediaUploaded) Key() []string { return []string{e.ChatID, e.File.ID} }

// Lane implements Event: one lane for each conversation.
func (e MediaUploaded) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (DispatchRequested) Type() Type { return TypeDispatchRequested }

// From implements Event.
func (e DispatchRequested) From() Origin { return e.Origin }

// Key implements Event: one delivery of each event to each destination.
func (e DispatchRequested) Key() []string { return []string{e.Event.ID, e.Destination} }

// Lane implements Event: a destination that is down closes its own lanes only.
func (e DispatchRequested) Lane() string { return e.Origin.Lane(e.Destination) }
