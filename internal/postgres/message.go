package postgres

import (
	"context"
	"fmt"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveMessage writes a message, its chat, its visitor and the counters of its chat and day in one transaction. A message
// whose event, former event or (org, livechat, chat_id, message_id) is stored already changes nothing and returns false; so does
// one whose edit came before it, except that its visitor and its upload are noted. A created_at that is no RFC 3339 time,
// and an id too long for an index (2,704 bytes for a key), are Permanent("undecodable").
func (s *Store) SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error) {
	row, err := store.NewMessageRow(eventID, e)
	if err != nil {
		return false, undecodable("save message", err)
	}
	chat := row.Chat
	who := []any{chat.Org, chat.LiveChat, chat.ChatID, nil, nil, nil}
	if v := row.Visitor; v != nil {
		who[3], who[4], who[5] = v.ID, v.Name, v.Email
	}
	who = who[:6:6]
	adds := append(append(who, store.DayOf(row.CreatedUS)), row.Values...)
	adds = append(adds, row.FormerID)
	adopts := append(who, row.Original()...)
	var added int64
	err = s.write(ctx, "save message", func(c *call) {
		c.lockChat(chat)
		c.count(&added, addMessage, adds...)
		c.exec(adopt, adopts...)
		c.exec(bury, chat.Org, chat.LiveChat, chat.ChatID, e.Message.ID)
	})
	return err == nil && added == 1, err
}

func undecodable(doing string, err error) error {
	return messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("%s: %w", doing, err))
}

const (
	// addMessage changes nothing unless the message is new: the counters and the visitor follow from the row that was
	// added.
	addMessage = `
		WITH added AS (
			INSERT INTO messages (chat, ` + store.MessageColumns + `)
			SELECT id, $8::text, $9::text, $10::text, $11::text, $12::text,
				$13::text, $14::text, $15::text, $16::text, $17::text, $18::bigint,
				$19::text, $20::text, $21::text, $22::bigint, $23::text,
				$24::text, $25::boolean, $26::boolean, $27::text
			FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
				AND NOT EXISTS (SELECT FROM messages WHERE event_id = $28 OFFSET 0)
			ON CONFLICT DO NOTHING
			RETURNING chat, created_us
		), counted AS (
			INSERT INTO chat_days AS d (chat, day, messages) SELECT chat, $7::bigint, 1 FROM added
			ON CONFLICT (chat, day) DO UPDATE SET messages = d.messages + 1
		), ` + toldByMessage + countInChat

	countInChat = `
		UPDATE chats SET messages = messages + 1,
			oldest_us = CASE WHEN messages = 0 THEN added.created_us ELSE least(oldest_us, added.created_us) END
		FROM added WHERE id = added.chat`

	// adopt gives a message that stands by its edit or its removal alone what only the message brings, what they have not
	// told, and the event that is its own. OFFSET keeps the planner from turning a question into the walk that finds the
	// message.
	adopt = `
		WITH added AS (
			UPDATE messages m SET event_id = $8, user_id = $9, visitor_id = $10,
				file_id = $11, file_name = $12, file_content_type = $13, file_size = $14, file_extension = $15,
				author_id = CASE WHEN m.author_type = '' THEN $16 ELSE m.author_id END,
				author_type = CASE WHEN m.author_type = '' THEN $17 ELSE m.author_type END,
				author_guessed = CASE WHEN m.author_type = '' THEN $18 ELSE m.author_guessed END,
				internal = coalesce(m.internal, $19)
			WHERE m.chat = (SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3) AND m.message_id = $7
				AND (EXISTS (SELECT FROM message_edits e
					WHERE e.chat = m.chat AND e.message_id = m.message_id AND e.event_id = m.event_id OFFSET 0)
				OR EXISTS (SELECT FROM message_tombstones t
					WHERE t.chat = m.chat AND t.message_id = m.message_id AND t.event_id = m.event_id OFFSET 0))
				AND NOT EXISTS (SELECT FROM messages WHERE event_id = $8)
			RETURNING created_us
		), ` + toldByMessage + `
		SELECT count(*) FROM added`

	toldByMessage = `told AS (
			INSERT INTO visitors AS v (org, livechat, visitor_id, name, name_us, email, email_us)
			SELECT $1, $2, $4::text,
				nullif($5::text, ''), CASE WHEN $5::text <> '' THEN created_us END,
				nullif($6::text, ''), CASE WHEN $6::text <> '' THEN created_us END
			FROM added WHERE $4::text IS NOT NULL` + newestVisitor + `
		)`

	// For each field of a visitor the newest that tells it wins, and of equally new ones the greater text: messages in any
	// order end in the same row.
	newestVisitor = `
			ON CONFLICT (org, livechat, visitor_id) DO UPDATE SET
				name = CASE WHEN v.name_us IS NULL OR (v.name_us, v.name) < (excluded.name_us, excluded.name)
					THEN excluded.name ELSE v.name END,
				name_us = greatest(v.name_us, excluded.name_us),
				email = CASE WHEN v.email_us IS NULL OR (v.email_us, v.email) < (excluded.email_us, excluded.email)
					THEN excluded.email ELSE v.email END,
				email_us = greatest(v.email_us, excluded.email_us)
			WHERE excluded.name IS NOT NULL OR excluded.email IS NOT NULL`

	// bury takes the content of a message away if it was deleted. Whatever writes to a message ends with it.
	bury = `
		UPDATE messages m SET text = NULL, content = NULL, deleted_at = t.deleted_at,
			file_id = NULL, file_name = NULL, file_content_type = NULL, file_size = NULL, file_extension = NULL
		FROM message_tombstones t
		WHERE t.chat = (SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3) AND t.message_id = $4
			AND m.chat = t.chat AND m.message_id = t.message_id`
)
