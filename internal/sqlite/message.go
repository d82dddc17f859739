package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveMessage writes a message, its chat, its visitor and the counters of its chat and day in one transaction. A message
// whose event or whose (org, livechat, chat_id, message_id) is stored already changes nothing and returns false. A
// created_at that is no RFC 3339 time is Permanent("undecodable").
func (s *Store) SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error) {
	row, err := store.NewMessageRow(eventID, e)
	if err != nil {
		return false, messages.Permanent("undecodable", fmt.Errorf("save message: %w", err))
	}
	saved, err = write(ctx, s.writer, messageRow(row).save)
	return saved, failed("save message", err)
}

type messageRow store.MessageRow

const (
	addMessage = `
		INSERT INTO messages (chat, ` + store.MessageColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`

	countInChat = `UPDATE chats SET messages = messages + 1 WHERE id = ?`

	countInDay = `
		INSERT INTO chat_days (chat, day, messages) VALUES (?, ?, 1)
		ON CONFLICT (chat, day) DO UPDATE SET messages = messages + 1`
)

func (row messageRow) save(tx *tx) (saved bool, err error) {
	chat, err := tx.chatNumber(row.Chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	added, err := tx.exec(addMessage, append([]any{chat}, row.Values...)...)
	if err != nil {
		return false, fmt.Errorf("add message: %w", err)
	}
	if added == 0 {
		return false, nil
	}
	if _, err := tx.exec(countInChat, chat); err != nil {
		return false, fmt.Errorf("count message: %w", err)
	}
	if _, err := tx.exec(countInDay, chat, store.DayOf(row.CreatedUS)); err != nil {
		return false, fmt.Errorf("count message of the day: %w", err)
	}
	if row.Visitor != nil {
		if err := tx.saveVisitor(row.Chat.Tenant, *row.Visitor, row.CreatedUS); err != nil {
			return false, fmt.Errorf("save visitor: %w", err)
		}
	}
	return true, nil
}
