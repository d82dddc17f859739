package postgres

import (
	"context"
	"fmt"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveMessage writes a message, its chat, its visitor and the counters of its chat and day in one transaction. A message
// whose event or whose (org, livechat, chat_id, message_id) is stored already changes nothing and returns false. A
// created_at that is no RFC 3339 time, and an id too long for an index (2,704 bytes for a key), are
// Permanent("undecodable").
func (s *Store) SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error) {
	row, err := store.NewMessageRow(eventID, e)
	if err != nil {
		return false, messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("save message: %w", err))
	}
	chat := row.Chat
	args := []any{chat.Org, chat.LiveChat, chat.ChatID, store.DayOf(row.CreatedUS), nil, nil, nil}
	if v := row.Visitor; v != nil {
		args[4], args[5], args[6] = v.ID, v.Name, v.Email
	}
	args = append(args, row.Values...)
	var added int64
	err = s.write(ctx, "save message", func(c *call) {
		c.addChat(chat)
		c.exec(lockChat, chat.Org, chat.LiveChat, chat.ChatID)
		c.count(&added, addMessage, args...)
	})
	return err == nil && added == 1, err
}

// addMessage changes nothing unless the message is new: the counters and the visitor follow from the row that was added.
// For each field of a visitor the newest message that fills it wins, and of equally new ones the greater text: messages
// in any order end in the same row.
const addMessage = `
	WITH added AS (
		INSERT INTO messages (chat, ` + store.MessageColumns + `)
		SELECT id, $8::text, $9::text, $10::text, $11::text, $12::text,
			$13::text, $14::text, $15::text, $16::text, $17::text, $18::bigint,
			$19::text, $20::text, $21::text, $22::bigint, $23::text
		FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
		ON CONFLICT DO NOTHING
		RETURNING chat, created_us
	), counted AS (
		INSERT INTO chat_days AS d (chat, day, messages) SELECT chat, $4::bigint, 1 FROM added
		ON CONFLICT (chat, day) DO UPDATE SET messages = d.messages + 1
	), told AS (
		INSERT INTO visitors AS v (org, livechat, visitor_id, name, name_us, email, email_us)
		SELECT $1, $2, $5::text,
			nullif($6::text, ''), CASE WHEN $6::text <> '' THEN created_us END,
			nullif($7::text, ''), CASE WHEN $7::text <> '' THEN created_us END
		FROM added WHERE $5::text IS NOT NULL
		ON CONFLICT (org, livechat, visitor_id) DO UPDATE SET
			name = CASE WHEN v.name_us IS NULL OR (v.name_us, v.name) < (excluded.name_us, excluded.name)
				THEN excluded.name ELSE v.name END,
			name_us = greatest(v.name_us, excluded.name_us),
			email = CASE WHEN v.email_us IS NULL OR (v.email_us, v.email) < (excluded.email_us, excluded.email)
				THEN excluded.email ELSE v.email END,
			email_us = greatest(v.email_us, excluded.email_us)
		WHERE excluded.name IS NOT NULL OR excluded.email IS NOT NULL
	)
	UPDATE chats SET messages = messages + 1 FROM added WHERE id = added.chat`
