package store

import (
	"database/sql"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/messages"
)

// The stores keep the same columns, so what stands in a row and what a row means is written once, here.

// MessageColumns are the columns of a message besides its chat's number, in the order of MessageRow.Values.
const MessageColumns = `message_id, event_id, channel, user_id, visitor_id,
	type, text, author_id, author_type, created_at, created_us,
	file_id, file_name, file_content_type, file_size, file_extension,
	content, author_guessed, internal, edited_at`

// MessageRow is a message as it is stored. It shares nothing with the event, because a write may outlive its caller.
type MessageRow struct {
	Chat      messages.Chat
	FormerID  string            // messages.FormerID of the event
	CreatedUS int64             // created_at in Unix microseconds
	Visitor   *messages.Visitor // nil when the event names none
	Values    []any             // nil stands for NULL
}

// NewMessageRow takes an event apart. A created_at that is no RFC 3339 time, and a content that is no JSON, are errors.
func NewMessageRow(eventID string, e messages.MessageReceived) (MessageRow, error) {
	at, err := messages.ParseTime(e.Message.CreatedAt)
	if err != nil {
		return MessageRow{}, fmt.Errorf("created_at: %w", err)
	}
	m := e.Message
	content, err := contentText(m.Content)
	if err != nil {
		return MessageRow{}, err
	}
	row := MessageRow{Chat: e.Chat, FormerID: messages.FormerID(e), CreatedUS: at.UnixMicro()}
	var visitorID any
	if e.Visitor != nil && e.Visitor.ID != "" {
		v := *e.Visitor
		row.Visitor, visitorID = &v, v.ID
	}
	row.Values = []any{
		m.ID, eventID, e.Channel, e.User, visitorID,
		m.Type, orNullText(m.Text), m.Author.ID, m.Author.Type, m.CreatedAt, row.CreatedUS,
	}
	if f := m.File; f != nil {
		row.Values = append(row.Values, f.ID, f.Name, f.ContentType, f.Size, f.Extension)
	} else {
		row.Values = append(row.Values, nil, nil, nil, nil, nil)
	}
	row.Values = append(row.Values, content, m.AuthorGuessed, m.Internal, nil)
	return row, nil
}

// Original are the values that a message itself brings and an edit or a removal before it may not: its id, its event's,
// its user's, its visitor's, the five of its upload, and the four of Told.
func (r MessageRow) Original() []any {
	v := r.Values
	return append(append([]any{v[0], v[1], v[3], v[4]}, v[11:16]...), r.Told()...)
}

// Told are the values that not every event about a message tells: author_id, author_type, author_guessed and internal. Of
// one that does not, the author_type is empty and internal is nil.
func (r MessageRow) Told() []any {
	v := r.Values
	return []any{v[7], v[8], v[17], v[18]}
}

// withhold takes out of a row what its event does not tell.
func (r MessageRow) withhold(author, visibility bool) {
	if author {
		r.Values[7], r.Values[8], r.Values[17] = "", "", false
	}
	if visibility {
		r.Values[18] = nil
	}
}

// contentText is the content as its column holds it: JSON, or NULL when there is none.
func contentText(c *messages.Content) (any, error) {
	if c == nil {
		return nil, nil
	}
	text, err := json.Marshal(c, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode content: it holds what is no JSON") // the error itself may quote it
	}
	return string(text), nil
}

func orNullText(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// EntryColumns are the columns that ScanEntry reads: of a message m, and of its author as one of the chat's people p, its
// receipt r and its media d, which may be absent. Somebody has seen the message who did not write it: their watermark is
// not below its created_at.
const EntryColumns = `m.created_us, m.arrival, m.message_id, m.type, m.text, m.author_id, m.author_type, m.created_at,
	m.file_id, m.file_name, m.file_content_type, m.file_size, m.file_extension,
	m.content, m.author_guessed, m.internal, m.edited_at, m.deleted_at,
	p.type, r.status,
	EXISTS (SELECT 1 FROM chat_seen s WHERE s.chat = m.chat AND s.person_id <> m.author_id AND s.up_to_us >= m.created_us),
	d.state, d.reason, d.etag, d.has_thumbnail, d.decided_us,
	d.file_name, d.file_content_type, d.file_size, d.file_extension`

// ScanEntry reads the EntryColumns of one row, and where it stands.
func ScanEntry(scan func(dest ...any) error, chat messages.Chat) (Entry, Cursor, error) {
	var (
		e                                              Entry
		at                                             Cursor
		text, status, content, person, edited, deleted sql.NullString
		seen                                           bool
		internal                                       sql.NullBool
		file                                           nullFile
		media                                          nullMedia
	)
	err := scan(&at.CreatedAt, &at.Arrival, &e.ID, &e.Type, &text, &e.Author.ID, &e.Author.Type, &e.CreatedAt,
		&file.id, &file.name, &file.contentType, &file.size, &file.extension,
		&content, &e.AuthorGuessed, &internal, &edited, &deleted,
		&person, &status, &seen,
		&media.state, &media.reason, &media.etag, &media.hasThumbnail, &media.decidedUS,
		&media.file.name, &media.file.contentType, &media.file.size, &media.file.extension)
	if err != nil {
		return Entry{}, Cursor{}, err
	}
	if text.Valid {
		e.Text = &text.String
	}
	if content.Valid {
		if err := json.Unmarshal([]byte(content.String), &e.Content); err != nil {
			return Entry{}, Cursor{}, fmt.Errorf("read content: it is not what was written")
		}
	}
	e.Internal = internal.Bool || !internal.Valid // a note among agents until somebody has told
	if e.AuthorGuessed && person.Valid {
		e.Author.Type, e.AuthorGuessed = person.String, false
	}
	e.Status = messages.Status(status.String)
	if seen {
		e.Status = messages.Read
	}
	e.EditedAt, e.DeletedAt = edited.String, deleted.String
	e.File = file.file()
	media.file.id = file.id
	e.Media = media.media(chat)
	return e, at, nil
}
