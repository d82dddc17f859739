package sqlite

import (
	"context"
	"time"

	"github.com/livepipe/livepipe/messages"
)

const (
	findChat = `SELECT id FROM chats WHERE org = ? AND livechat = ? AND chat_id = ?`
	addChat  = `INSERT INTO chats (org, livechat, chat_id, first_seen_us) VALUES (?, ?, ?, ?) RETURNING id`
)

// chatNumber returns the small number that stands for the chat in the other tables, giving it one at first sight.
func (t *tx) chatNumber(c messages.Chat, now time.Time) (number int64, err error) {
	ok, err := t.scan(findChat, []any{c.Org, c.LiveChat, c.ChatID}, &number)
	if ok || err != nil {
		return number, err
	}
	_, err = t.scan(addChat, []any{c.Org, c.LiveChat, c.ChatID, now.UnixMicro()}, &number)
	return number, err
}

// IsNote reports whether a message is a note among agents by its newest content, also once it was removed, and whether it is
// stored at all.
func (s *Store) IsNote(ctx context.Context, chat messages.Chat, messageID string) (note, known bool, err error) {
	known, err = s.reader.scan(ctx, findNote, []any{chat.Org, chat.LiveChat, chat.ChatID, messageID}, &note)
	return note, known, failed("look up note", err)
}

// What is not known to be for all is a note.
const findNote = `
	SELECT internal IS NOT FALSE FROM messages
	WHERE chat = (SELECT id FROM chats WHERE org = ? AND livechat = ? AND chat_id = ?) AND message_id = ?`

// Seen reports whether the chat has any message or was opened, and whether the one with messageID is.
func (s *Store) Seen(ctx context.Context, chat messages.Chat, messageID string) (chatKnown, messageKnown bool, err error) {
	const query = `
		SELECT EXISTS (SELECT 1 FROM messages WHERE chat = chats.id AND message_id = ?)
		FROM chats WHERE org = ? AND livechat = ? AND chat_id = ? AND (messages > 0 OR opened)`
	chatKnown, err = s.reader.scan(ctx, query, []any{messageID, chat.Org, chat.LiveChat, chat.ChatID}, &messageKnown)
	return chatKnown, messageKnown, failed("look up message", err)
}
