package rules

import (
	"time"

	"github.com/livepipe/livepipe/messages"
)

// Facts are what a condition can ask about. The tags are the names in the file. What an event says nothing about is
// empty: "", 0, false, a time in the year 1.
type Facts struct {
	Type     string `expr:"type"` // of the event, such as livechat.message.received.v1
	Channel  string `expr:"channel"`
	Org      string `expr:"org"`
	LiveChat string `expr:"livechat"`
	User     string `expr:"user"`
	ChatID   string `expr:"chat_id"`
	ThreadID string `expr:"thread_id"`
	// Internal says that the event tells, or may tell, what agents wrote among themselves: it goes only to destinations that
	// ask for that.
	Internal bool `expr:"internal"`

	Message MessageFacts `expr:"message"`
	Author  AuthorFacts  `expr:"author"` // who wrote the message or did what the event tells; empty: LiveChat itself
	File    FileFacts    `expr:"file"`

	Change   string      `expr:"change"`    // of a conversation: a word of messages.Change
	Person   PersonFacts `expr:"person"`    // who came or went
	Tag      string      `expr:"tag"`       // that a thread got or lost
	Reason   string      `expr:"reason"`    // why the change was made, in the provider's word
	GroupIDs []int       `expr:"group_ids"` // who has access now, or whom the chat went to
	AgentIDs []string    `expr:"agent_ids"` // whom the chat went to

	Action  string `expr:"action"`  // of an account or of something unknown: the provider's word
	Subject string `expr:"subject"` // the id of what changed in the account
}

// MessageFacts describe the message. Text is empty where there is none; CreatedAt is in the sender's own offset. Of a
// removed one there are the ID, and Internal where history knew it.
type MessageFacts struct {
	ID        string    `expr:"id"`
	Type      string    `expr:"type"`
	Text      string    `expr:"text"`
	CreatedAt time.Time `expr:"created_at"`
	Internal  bool      `expr:"internal"` // a note among agents; of a message's properties: it may be one
	Edited    bool      `expr:"edited"`   // the event is an edit; the other facts are those after it
	Deleted   bool      `expr:"deleted"`  // the event is a removal
}

// AuthorFacts are PersonFacts of whoever wrote or did something.
type AuthorFacts struct {
	ID      string `expr:"id"`
	Type    string `expr:"type"`
	Guessed bool   `expr:"guessed"` // nobody has told the type: the shape of the id did
}

// PersonFacts describe somebody. Type is visitor, agent, bot or system, or another word of the channel; empty when the
// event does not tell.
type PersonFacts struct {
	ID   string `expr:"id"`
	Type string `expr:"type"`
}

// FileFacts describe the file of a message of type file; everything is empty where there is none. Size is in bytes. ID
// and Extension are those of an upload to livepipe; a file that stands with the provider has none.
type FileFacts struct {
	ID          string `expr:"id"`
	Name        string `expr:"name"`
	ContentType string `expr:"content_type"`
	Size        int    `expr:"size"`
	Extension   string `expr:"extension"`
}

// OfMessage gathers the facts of a message that came as an event of type t.
func OfMessage(t messages.Type, o messages.Origin, m messages.Message) Facts {
	f := of(t, o)
	f.Message = MessageFacts{ID: m.ID, Type: m.Type, Internal: m.Internal}
	f.Internal = m.Internal
	f.Author = AuthorFacts{ID: m.Author.ID, Type: m.Author.Type, Guessed: m.AuthorGuessed}
	if m.Text != nil {
		f.Message.Text = *m.Text
	}
	if at, err := messages.ParseTime(m.CreatedAt); err == nil { // history has refused it otherwise
		f.Message.CreatedAt = at
	}
	switch {
	case m.File != nil:
		f.File = FileFacts{
			ID: m.File.ID, Name: m.File.Name, ContentType: m.File.ContentType,
			Size: int(m.File.Size), Extension: m.File.Extension,
		}
	case m.Content != nil && m.Content.File != nil:
		file := m.Content.File
		f.File = FileFacts{Name: file.Filename, ContentType: file.ContentType, Size: int(file.Size)}
	}
	return f
}

// OfEdit gathers the facts of an edit: those of the message after it.
func OfEdit(e messages.MessageUpdated) Facts {
	f := OfMessage(e.Type(), e.Origin, e.Message)
	f.Message.Edited = true
	if e.KeepsVisibility { // nobody can tell that it is no note
		f.Internal, f.Message.Internal = true, true
	}
	return f
}

// OfDeletion gathers the facts of a removal. Note says that the message was a note among agents.
func OfDeletion(e messages.MessageDeleted, note bool) Facts {
	f := of(e.Type(), e.Origin)
	f.Internal, f.Message = note, MessageFacts{ID: e.MessageID, Internal: note, Deleted: true}
	return f
}

// OfConversation gathers the facts of what happened to a conversation. Note says that the message it is about may be a note
// among agents. Summaries are written for agents.
func OfConversation(e messages.ConversationUpdated, note bool) Facts {
	f := of(e.Type(), e.Origin)
	f.Internal, f.Message.Internal = note || e.Change == messages.ThreadSummarySet, note
	f.ThreadID, f.Change, f.Tag, f.Reason, f.AgentIDs = e.ThreadID, string(e.Change), e.Tag, e.Reason, e.AgentIDs
	f.Message.ID = e.MessageID
	for _, id := range e.GroupIDs {
		f.GroupIDs = append(f.GroupIDs, int(id))
	}
	f.Author, f.Person = AuthorFacts{ID: e.By}, PersonFacts{ID: e.Removed}
	if e.Change == messages.PersonAdded && len(e.People) > 0 {
		f.Person.ID = e.People[0].ID
	}
	for _, p := range e.People {
		if p.ID == f.Author.ID {
			f.Author.Type = p.Type
		}
		if p.ID == f.Person.ID {
			f.Person.Type = p.Type
		}
	}
	return f
}

// OfAccount gathers the facts of what happened to the provider's account.
func OfAccount(e messages.AccountUpdated) Facts {
	f := of(e.Type(), e.Origin)
	f.Action, f.Subject, f.Author.ID = e.Action, e.Subject, e.By
	return f
}

// OfUnknown gathers the facts of something that livepipe has no word for.
func OfUnknown(e messages.UnknownReceived) Facts {
	f := of(e.Type(), e.Origin)
	f.Action, f.Internal = e.Action, e.Internal
	return f
}

// of are the facts that every event has.
func of(t messages.Type, o messages.Origin) Facts {
	return Facts{Type: string(t), Channel: o.Channel, Org: o.Org, LiveChat: o.LiveChat, User: o.User, ChatID: o.ChatID}
}
