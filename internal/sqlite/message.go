package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// SaveMessage writes a message, its chat, its visitor and the counters of its chat and day in one transaction. A message
// whose event or whose (org, livechat, chat_id, message_id) is stored already changes nothing and returns false. A
// created_at that is no RFC 3339 time is Permanent("undecodable").
func (s *Store) SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error) {
	row, err := newMessageRow(eventID, e)
	if err != nil {
		return false, messages.Permanent("undecodable", fmt.Errorf("save message: %w", err))
	}
	saved, err = write(ctx, s.writer, row.save)
	return saved, failed("save message", err)
}

// messageRow is what the write needs, copied out of the event: a write may outlive its caller.
type messageRow struct {
	chat      messages.Chat
	createdUS int64
	visitor   *messages.Visitor
	args      []any // of addMessage, after the chat's number
}

func newMessageRow(eventID string, e messages.MessageReceived) (messageRow, error) {
	at, err := messages.ParseTime(e.Message.CreatedAt)
	if err != nil {
		return messageRow{}, fmt.Errorf("created_at: %w", err)
	}
	row := messageRow{chat: e.Chat, createdUS: at.UnixMicro()}
	var visitorID, text any
	if e.Visitor != nil && e.Visitor.ID != "" {
		v := *e.Visitor
		row.visitor, visitorID = &v, v.ID
	}
	m := e.Message
	if m.Text != nil {
		text = *m.Text
	}
	row.args = []any{
		m.ID, eventID, e.Channel, e.User, visitorID,
		m.Type, text, m.Author.ID, m.Author.Type, m.CreatedAt, row.createdUS,
	}
	if f := m.File; f != nil {
		row.args = append(row.args, f.ID, f.Name, f.ContentType, f.Size, f.Extension)
	} else {
		row.args = append(row.args, nil, nil, nil, nil, nil)
	}
	return row, nil
}

const (
	addMessage = `
		INSERT INTO messages (chat, message_id, event_id, channel, user_id, visitor_id,
			type, text, author_id, author_type, created_at, created_us,
			file_id, file_name, file_content_type, file_size, file_extension)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`

	countInChat = `UPDATE chats SET messages = messages + 1 WHERE id = ?`

	countInDay = `
		INSERT INTO chat_days (chat, day, messages) VALUES (?, ?, 1)
		ON CONFLICT (chat, day) DO UPDATE SET messages = messages + 1`
)

func (row messageRow) save(tx *tx) (saved bool, err error) {
	chat, err := tx.chatNumber(row.chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	added, err := tx.exec(addMessage, append([]any{chat}, row.args...)...)
	if err != nil {
		return false, fmt.Errorf("add message: %w", err)
	}
	if added == 0 {
		return false, nil
	}
	if _, err := tx.exec(countInChat, chat); err != nil {
		return false, fmt.Errorf("count message: %w", err)
	}
	if _, err := tx.exec(countInDay, chat, dayOf(row.createdUS)); err != nil {
		return false, fmt.Errorf("count message of the day: %w", err)
	}
	if row.visitor != nil {
		if err := tx.saveVisitor(row.chat.Tenant, *row.visitor, row.createdUS); err != nil {
			return false, fmt.Errorf("save visitor: %w", err)
		}
	}
	return true, nil
}
