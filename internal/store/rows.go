package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// The stores keep the same columns, so what stands in a row and what a row means is written once, here.

// MessageColumns are the columns of a message besides its chat's number, in the order of MessageRow.Values.
const MessageColumns = `message_id, event_id, channel, user_id, visitor_id,
	type, text, author_id, author_type, created_at, created_us,
	file_id, file_name, file_content_type, file_size, file_extension`

// MessageRow is a message as it is stored. It shares nothing with the event, because a write may outlive its caller.
type MessageRow struct {
	Chat      messages.Chat
	CreatedUS int64             // created_at in Unix microseconds
	Visitor   *messages.Visitor // nil when the event names none
	Values    []any             // nil stands for NULL
}

// NewMessageRow takes an event apart. A created_at that is no RFC 3339 time is an error.
func NewMessageRow(eventID string, e messages.MessageReceived) (MessageRow, error) {
	at, err := messages.ParseTime(e.Message.CreatedAt)
	if err != nil {
		return MessageRow{}, fmt.Errorf("created_at: %w", err)
	}
	row := MessageRow{Chat: e.Chat, CreatedUS: at.UnixMicro()}
	var visitorID, text any
	if e.Visitor != nil && e.Visitor.ID != "" {
		v := *e.Visitor
		row.Visitor, visitorID = &v, v.ID
	}
	m := e.Message
	if m.Text != nil {
		text = *m.Text
	}
	row.Values = []any{
		m.ID, eventID, e.Channel, e.User, visitorID,
		m.Type, text, m.Author.ID, m.Author.Type, m.CreatedAt, row.CreatedUS,
	}
	if f := m.File; f != nil {
		row.Values = append(row.Values, f.ID, f.Name, f.ContentType, f.Size, f.Extension)
	} else {
		row.Values = append(row.Values, nil, nil, nil, nil, nil)
	}
	return row, nil
}

// EntryColumns are the columns that ScanEntry reads: of a message m, its receipt r and its media d, which may be absent.
const EntryColumns = `m.created_us, m.arrival, m.message_id, m.type, m.text, m.author_id, m.author_type, m.created_at,
	m.file_id, m.file_name, m.file_content_type, m.file_size, m.file_extension,
	r.status,
	d.state, d.reason, d.etag, d.has_thumbnail, d.decided_us,
	d.file_name, d.file_content_type, d.file_size, d.file_extension`

// ScanEntry reads the EntryColumns of one row, and where it stands.
func ScanEntry(scan func(dest ...any) error, chat messages.Chat) (Entry, Cursor, error) {
	var (
		e            Entry
		at           Cursor
		text, status sql.NullString
		file         nullFile
		media        nullMedia
	)
	err := scan(&at.CreatedAt, &at.Arrival, &e.ID, &e.Type, &text, &e.Author.ID, &e.Author.Type, &e.CreatedAt,
		&file.id, &file.name, &file.contentType, &file.size, &file.extension,
		&status,
		&media.state, &media.reason, &media.etag, &media.hasThumbnail, &media.decidedUS,
		&media.file.name, &media.file.contentType, &media.file.size, &media.file.extension)
	if err != nil {
		return Entry{}, Cursor{}, err
	}
	if text.Valid {
		e.Text = &text.String
	}
	e.Status = messages.Status(status.String)
	e.File = file.file()
	media.file.id = file.id
	e.Media = media.media(chat)
	return e, at, nil
}

// MediaColumns are the columns of a decision about an upload, in the order of MediaValues and ScanMedia.
const MediaColumns = `id, org, livechat, chat_id, state, reason, etag, has_thumbnail, decided_us,
	file_name, file_content_type, file_size, file_extension`

// MediaValues are the values of the MediaColumns.
func MediaValues(m Media) []any {
	return []any{
		m.File.ID, m.Chat.Org, m.Chat.LiveChat, m.Chat.ChatID,
		string(m.State), m.Reason, m.ETag, m.HasThumbnail, m.DecidedAt.UnixMicro(),
		m.File.Name, m.File.ContentType, m.File.Size, m.File.Extension,
	}
}

// ScanMedia reads the MediaColumns of one row.
func ScanMedia(scan func(dest ...any) error) (Media, error) {
	var chat messages.Chat
	var n nullMedia
	err := scan(&n.file.id, &chat.Org, &chat.LiveChat, &chat.ChatID,
		&n.state, &n.reason, &n.etag, &n.hasThumbnail, &n.decidedUS,
		&n.file.name, &n.file.contentType, &n.file.size, &n.file.extension)
	if err != nil {
		return Media{}, err
	}
	return *n.media(chat), nil
}

// nullMedia and nullFile are the columns as a join gives them: all NULL where there is no row.
type nullMedia struct {
	state, reason, etag sql.NullString
	hasThumbnail        sql.NullBool
	decidedUS           sql.NullInt64
	file                nullFile
}

type nullFile struct {
	id, name, contentType, extension sql.NullString
	size                             sql.NullInt64
}

func (n nullMedia) media(chat messages.Chat) *Media {
	if !n.state.Valid {
		return nil
	}
	return &Media{
		Chat:         chat,
		File:         *n.file.file(),
		State:        MediaState(n.state.String),
		Reason:       n.reason.String,
		ETag:         n.etag.String,
		HasThumbnail: n.hasThumbnail.Bool,
		DecidedAt:    time.UnixMicro(n.decidedUS.Int64).UTC(),
	}
}

func (n nullFile) file() *messages.File {
	if !n.id.Valid {
		return nil
	}
	return &messages.File{
		ID:          n.id.String,
		Name:        n.name.String,
		ContentType: n.contentType.String,
		Size:        n.size.Int64,
		Extension:   n.extension.String,
	}
}
