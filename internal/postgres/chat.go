package postgres

import (
	"context"
	"time"

	"github.com/livepipe/livepipe/messages"
)

const (
	// addChat gives a chat the small number that stands for it in the other tables, at first sight. Asking first costs a
	// look at an index and keeps the usual case from writing anything.
	addChat = `
		INSERT INTO chats (org, livechat, chat_id, first_seen_us)
		SELECT $1::text, $2::text, $3::text, $4::bigint
		WHERE NOT EXISTS (SELECT FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3)
		ON CONFLICT DO NOTHING`

	// lockChat makes the calls that add to a chat wait for each other. It is the first lock that a call takes, and all
	// take theirs in one order (chat, message, day, visitor), so no two ever wait in a circle. And because arrival is given
	// under it, the order of arrival within a chat is the order of commits. Receipts do not wait for it.
	lockChat = `SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3 FOR NO KEY UPDATE`
)

// lockChat makes the chat if there is none, and every other writer of it wait.
func (c *call) lockChat(chat messages.Chat) {
	c.addChat(chat)
	c.exec(lockChat, chat.Org, chat.LiveChat, chat.ChatID)
}

func (c *call) addChat(chat messages.Chat) {
	c.exec(addChat, chat.Org, chat.LiveChat, chat.ChatID, time.Now().UnixMicro())
}

// IsNote reports whether a message is a note among agents by its newest content, also once it was removed, and whether it is
// stored at all.
func (s *Store) IsNote(ctx context.Context, chat messages.Chat, messageID string) (note, known bool, err error) {
	err = s.read(ctx, "look up note", func(c *call) {
		note, known = false, false
		c.each(findNote, []any{chat.Org, chat.LiveChat, chat.ChatID, messageID}, func(scan func(...any) error) error {
			known = true
			return scan(&note)
		})
	})
	if err != nil {
		return false, false, err
	}
	return note, known, nil
}

// What is not known to be for all is a note.
const findNote = `SELECT internal IS NOT FALSE FROM messages` + ofMessage

// Seen reports whether the chat has any message or was opened, and whether the one with messageID is.
func (s *Store) Seen(ctx context.Context, chat messages.Chat, messageID string) (chatKnown, messageKnown bool, err error) {
	err = s.read(ctx, "look up message", func(c *call) {
		c.each(findMessage, []any{chat.Org, chat.LiveChat, chat.ChatID, messageID}, func(scan func(...any) error) error {
			chatKnown = true
			return scan(&messageKnown)
		})
	})
	if err != nil {
		return false, false, err
	}
	return chatKnown, messageKnown, nil
}

const findMessage = `
	SELECT EXISTS (SELECT FROM messages WHERE chat = chats.id AND message_id = $4)
	FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3 AND (messages > 0 OR opened)`
