package store

import (
	"errors"
	"fmt"

	"github.com/livepipe/livepipe/messages"
)

// Edit is what an event says about the new content of a message. It knows nothing of uploads of ours: those come with the
// message itself.
type Edit struct {
	Row      MessageRow // the whole message, for when it is not stored yet
	EventID  string
	FormerID string // messages.FormerID of the edit
	EditedAt string // RFC 3339
	EditedUS int64  // the same in Unix microseconds
	// What the edit tells beside the content; what it does not stays as it was told before.
	TellsAuthor, TellsVisibility bool
}

// NewEdit takes an event apart. A time that is not RFC 3339, and a content that is no JSON, are errors.
func NewEdit(eventID string, e messages.MessageUpdated) (Edit, error) {
	at, err := messages.ParseTime(e.EditedAt)
	if err != nil {
		return Edit{}, fmt.Errorf("edited_at: %w", err)
	}
	m := e.Message
	m.File = nil
	row, err := NewMessageRow(eventID, messages.MessageReceived{Origin: e.Origin, Message: m})
	if err != nil {
		return Edit{}, err
	}
	row.Values[len(row.Values)-1] = e.EditedAt
	row.withhold(e.KeepsAuthor, e.KeepsVisibility)
	return Edit{
		Row: row, EventID: eventID, FormerID: messages.FormerID(e), EditedAt: e.EditedAt, EditedUS: at.UnixMicro(),
		TellsAuthor: !e.KeepsAuthor, TellsVisibility: !e.KeepsVisibility,
	}, nil
}

// MessageID is the id of the message.
func (e Edit) MessageID() any { return e.Row.Values[0] }

// Set are the values that the edit gives a stored message: type, text, content and edited_at.
func (e Edit) Set() []any {
	v := e.Row.Values
	return []any{v[5], v[6], v[16], v[19]}
}

// NewPlace makes the row of a removed message that may not be stored: its place without its content. It has no Values
// where the removal does not tell the place. A time that is not RFC 3339 is an error.
func NewPlace(eventID string, e messages.MessageDeleted) (MessageRow, error) {
	if _, err := messages.ParseTime(e.DeletedAt); err != nil {
		return MessageRow{}, fmt.Errorf("deleted_at: %w", err)
	}
	p := e.Place
	if p == nil {
		return MessageRow{Chat: e.Chat}, nil
	}
	m := messages.Message{ID: e.MessageID, Type: p.Type, AuthorGuessed: p.AuthorGuessed, CreatedAt: p.CreatedAt}
	if p.Author != nil {
		m.Author = *p.Author
	}
	if p.Internal != nil {
		m.Internal = *p.Internal
	}
	row, err := NewMessageRow(eventID, messages.MessageReceived{Origin: e.Origin, Message: m})
	if err != nil {
		return MessageRow{}, err
	}
	row.withhold(p.Author == nil, p.Internal == nil)
	return row, nil
}

// SeenUpTo is a watermark in Unix microseconds. One that is not RFC 3339 is an error.
func SeenUpTo(e messages.MessagesSeen) (int64, error) {
	at, err := messages.ParseTime(e.UpTo)
	if err != nil {
		return 0, fmt.Errorf("up_to: %w", err)
	}
	return at.UnixMicro(), nil
}

// WordsColumns are the columns that HasWords reads.
const WordsColumns = `type, text, author_id, content`

// HasWords reads the WordsColumns of a stored message and reports whether m was written with the same words. Created_at is
// none of them: without a provider time it is the time of receipt, which differs on a retry.
func HasWords(scan func(dest ...any) error, m messages.Message) (bool, error) {
	var kind, author string
	var text, content nullText
	if err := scan(&kind, &text.NullString, &author, &content.NullString); err != nil {
		return false, err
	}
	other, err := contentText(m.Content)
	if err != nil {
		return false, errors.New("content is no JSON")
	}
	return kind == m.Type && author == m.Author.ID &&
		text.value() == orNullText(m.Text) && content.value() == other, nil
}
