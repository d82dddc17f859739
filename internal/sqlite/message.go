package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveMessage writes a message, its chat, its visitor and the counters of its chat and day in one transaction. A message
// whose event, former event or (org, livechat, chat_id, message_id) is stored already changes nothing and returns false; so does
// one whose edit came before it, except that its visitor and its upload are noted. A created_at that is no RFC 3339 time
// is Permanent("undecodable").
func (s *Store) SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error) {
	row, err := store.NewMessageRow(eventID, e)
	if err != nil {
		return false, undecodable("save message", err)
	}
	saved, err = write(ctx, s.writer, messageRow(row).save)
	return saved, failed("save message", err)
}

func undecodable(doing string, err error) error {
	return messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("%s: %w", doing, err))
}

type messageRow store.MessageRow

const (
	findEvent = `SELECT 1 FROM messages WHERE event_id = ?`

	addMessage = `
		INSERT INTO messages (chat, ` + store.MessageColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`

	// The columns on the right are those from before the statement.
	countInChat = `
		UPDATE chats SET messages = messages + 1,
			oldest_us = CASE WHEN messages = 0 THEN ?2 ELSE coalesce(min(oldest_us, ?2), ?2) END
		WHERE id = ?1`

	countInDay = `
		INSERT INTO chat_days (chat, day, messages) VALUES (?, ?, 1)
		ON CONFLICT (chat, day) DO UPDATE SET messages = messages + 1`

	// adopt gives a message that stands by its edit or its removal alone what only the message brings, what they have not
	// told, and the event that is its own.
	adopt = `
		UPDATE messages SET event_id = ?3, user_id = ?4, visitor_id = ?5,
			file_id = ?6, file_name = ?7, file_content_type = ?8, file_size = ?9, file_extension = ?10,
			author_id = CASE WHEN author_type = '' THEN ?11 ELSE author_id END,
			author_type = CASE WHEN author_type = '' THEN ?12 ELSE author_type END,
			author_guessed = CASE WHEN author_type = '' THEN ?13 ELSE author_guessed END,
			internal = coalesce(internal, ?14)
		WHERE chat = ?1 AND message_id = ?2
			AND (EXISTS (SELECT 1 FROM message_edits e WHERE e.chat = ?1 AND e.message_id = ?2 AND e.event_id = messages.event_id)
				OR EXISTS (SELECT 1 FROM message_tombstones t WHERE t.chat = ?1 AND t.message_id = ?2 AND t.event_id = messages.event_id))
			AND NOT EXISTS (SELECT 1 FROM messages WHERE event_id = ?3)`

	// bury takes the content of a message away if it was deleted. Whatever writes to a message ends with it.
	bury = `
		UPDATE messages SET text = NULL, content = NULL, deleted_at = t.deleted_at,
			file_id = NULL, file_name = NULL, file_content_type = NULL, file_size = NULL, file_extension = NULL
		FROM message_tombstones t
		WHERE t.chat = ?1 AND t.message_id = ?2 AND messages.chat = ?1 AND messages.message_id = ?2`
)

func (row messageRow) save(tx *tx) (saved bool, err error) {
	chat, err := tx.chatNumber(row.Chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	if row.FormerID != "" {
		var one int
		if retry, err := tx.scan(findEvent, []any{row.FormerID}, &one); retry || err != nil {
			return false, err
		}
	}
	saved, err = tx.addMessage(chat, store.MessageRow(row))
	if err != nil {
		return false, err
	}
	if !saved {
		original := store.MessageRow(row).Original()
		adopted, err := tx.exec(adopt, append([]any{chat}, original...)...)
		if err != nil || adopted == 0 {
			return false, err
		}
	}
	if _, err := tx.exec(bury, chat, row.Values[0]); err != nil {
		return false, fmt.Errorf("take content away: %w", err)
	}
	if row.Visitor != nil {
		if err := tx.saveVisitor(row.Chat.Tenant, *row.Visitor, row.CreatedUS); err != nil {
			return false, fmt.Errorf("save visitor: %w", err)
		}
	}
	return saved, nil
}

// addMessage adds a message and counts it, unless it is there.
func (t *tx) addMessage(chat int64, row store.MessageRow) (added bool, err error) {
	n, err := t.exec(addMessage, append([]any{chat}, row.Values...)...)
	if err != nil {
		return false, fmt.Errorf("add message: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	if _, err := t.exec(countInChat, chat, row.CreatedUS); err != nil {
		return false, fmt.Errorf("count message: %w", err)
	}
	if _, err := t.exec(countInDay, chat, store.DayOf(row.CreatedUS)); err != nil {
		return false, fmt.Errorf("count message of the day: %w", err)
	}
	return true, nil
}
