package messages

import "github.com/go-json-experiment/json/jsontext"

// MessageUpdated says that a message has new content. Message is the whole of it, so that an edit that comes before its
// message loses nothing. EditedAt is RFC 3339: when livepipe took the edit on, because LiveChat does not say.
type MessageUpdated struct {
	Origin
	Message Message `json:"message"`
	// KeepsAuthor says that the edit does not tell who wrote: the author stays, and is empty here.
	KeepsAuthor bool `json:"keeps_author,omitzero"`
	// KeepsVisibility says that the edit does not tell who may see the message: what was told stays. It counts as a note
	// among agents here, since nobody can tell that it is none.
	KeepsVisibility bool   `json:"keeps_visibility,omitzero"`
	EditedAt        string `json:"edited_at"`
	Revision        string `json:"revision"` // of Revision
}

// MessageDeleted says that a message was removed. It may come before its message. DeletedAt is RFC 3339: when livepipe
// was told.
type MessageDeleted struct {
	Origin
	MessageID string `json:"message_id"`
	DeletedAt string `json:"deleted_at"`
	Place     *Place `json:"place,omitzero"` // nil where the removal names the message alone
}

// Place is what is left of a removed message, for a history that has never seen it. It holds nothing that was written.
type Place struct {
	Type          string  `json:"type"`
	Author        *Author `json:"author,omitzero"` // nil: not told
	AuthorGuessed bool    `json:"author_guessed,omitzero"`
	Internal      *bool   `json:"internal,omitzero"` // nil: not told, so it may be a note among agents
	CreatedAt     string  `json:"created_at"`        // RFC 3339 as sent
}

// MessagesSeen says that a person has seen whatever others wrote in the chat up to a moment (RFC 3339 as sent). It may
// come before the messages.
type MessagesSeen struct { //nolint:revive // the event is messages.seen: Seen alone would not say of what
	Origin
	By   string `json:"by"`
	UpTo string `json:"up_to"`
}

// Change is what happened to a conversation.
type Change string

// The changes of a conversation.
const (
	ChatOpened               Change = "chat_opened" // a new thread; the same chat may be opened again
	ChatClosed               Change = "chat_closed"
	ChatTransferred          Change = "chat_transferred"
	ChatAccessUpdated        Change = "chat_access_updated"
	PersonAdded              Change = "person_added"
	PersonRemoved            Change = "person_removed"
	ThreadTagged             Change = "thread_tagged"
	ThreadUntagged           Change = "thread_untagged"
	ThreadSummarySet         Change = "thread_summary_set"
	ChatPropertiesUpdated    Change = "chat_properties_updated"
	ChatPropertiesDeleted    Change = "chat_properties_deleted"
	ThreadPropertiesUpdated  Change = "thread_properties_updated"
	ThreadPropertiesDeleted  Change = "thread_properties_deleted"
	MessagePropertiesUpdated Change = "message_properties_updated"
	MessagePropertiesDeleted Change = "message_properties_deleted"
	SessionFieldsUpdated     Change = "session_fields_updated"
)

// ConversationUpdated says that something happened to a conversation other than a message. Which fields are filled
// depends on Change. At is RFC 3339: LiveChat's own time where it gives one, else the time of receipt.
type ConversationUpdated struct {
	Origin
	Change    Change         `json:"change"`
	At        string         `json:"at"`
	ThreadID  string         `json:"thread_id,omitzero"`
	MessageID string         `json:"message_id,omitzero"` // of the message whose properties changed
	People    []Person       `json:"people,omitzero"`     // whom the event names; not always all of the chat
	Removed   string         `json:"removed,omitzero"`    // id of the person who left
	By        string         `json:"by,omitzero"`         // id of the person who did it; empty: LiveChat itself
	Reason    string         `json:"reason,omitzero"`
	GroupIDs  []int64        `json:"group_ids,omitzero"` // who has access now, or whom the chat went to
	AgentIDs  []string       `json:"agent_ids,omitzero"` // whom the chat went to
	Tag       string         `json:"tag,omitzero"`
	Details   jsontext.Value `json:"details,omitzero"`  // properties, summary, session fields or queue, as sent
	Revision  string         `json:"revision,omitzero"` // of Revision; empty where chat and thread make the event unique
}

// AccountUpdated says that something changed in the provider's account and not in one chat: an agent, a group, a tag, a
// status. Action is the provider's word, Subject the id of what changed, Details its payload.
type AccountUpdated struct {
	Origin
	Action   string         `json:"action"`
	Subject  string         `json:"subject,omitzero"`
	By       string         `json:"by,omitzero"`
	Details  jsontext.Value `json:"details,omitzero"`
	Revision string         `json:"revision"`
}

// UnknownReceived is something that the provider sent and livepipe has no word for. It is published only where the
// routing rules ask for it. Details hold no secret of the body.
type UnknownReceived struct {
	Origin
	Action  string         `json:"action,omitzero"` // at most 64 bytes
	Details jsontext.Value `json:"details,omitzero"`
	// Internal says that the details may hold what agents wrote among themselves. Nobody knows what they are, so it is set
	// unless they are known to hold no such thing.
	Internal bool   `json:"internal,omitzero"`
	Revision string `json:"revision"`
}

// Type implements Event.
func (MessageUpdated) Type() Type { return TypeMessageUpdated }

// From implements Event.
func (e MessageUpdated) From() Origin { return e.Origin }

// Key implements Event.
func (e MessageUpdated) Key() []string { return []string{e.ChatID, e.Message.ID, e.Revision} }

// Lane implements Event: one lane for each conversation.
func (e MessageUpdated) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (MessageDeleted) Type() Type { return TypeMessageDeleted }

// From implements Event.
func (e MessageDeleted) From() Origin { return e.Origin }

// Key implements Event: a message is removed once.
func (e MessageDeleted) Key() []string { return []string{e.ChatID, e.MessageID} }

// Lane implements Event: one lane for each conversation.
func (e MessageDeleted) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (MessagesSeen) Type() Type { return TypeMessagesSeen }

// From implements Event.
func (e MessagesSeen) From() Origin { return e.Origin }

// Key implements Event.
func (e MessagesSeen) Key() []string { return []string{e.ChatID, e.By, e.UpTo} }

// Lane implements Event: one lane for each conversation.
func (e MessagesSeen) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (ConversationUpdated) Type() Type { return TypeConversationUpdated }

// From implements Event.
func (e ConversationUpdated) From() Origin { return e.Origin }

// Key implements Event.
func (e ConversationUpdated) Key() []string {
	return []string{e.ChatID, string(e.Change), e.ThreadID, e.Revision}
}

// Lane implements Event: one lane for each conversation.
func (e ConversationUpdated) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (AccountUpdated) Type() Type { return TypeAccountUpdated }

// From implements Event.
func (e AccountUpdated) From() Origin { return e.Origin }

// Key implements Event.
func (e AccountUpdated) Key() []string { return []string{e.Action, e.Subject, e.Revision} }

// Lane implements Event: one lane for the tenant.
func (e AccountUpdated) Lane() string { return e.Origin.Lane() }

// Type implements Event.
func (UnknownReceived) Type() Type { return TypeUnknownReceived }

// From implements Event.
func (e UnknownReceived) From() Origin { return e.Origin }

// Key implements Event.
func (e UnknownReceived) Key() []string { return []string{e.Action, e.Revision} }

// Lane implements Event: one lane for the tenant.
func (e UnknownReceived) Lane() string { return e.Origin.Lane() }
