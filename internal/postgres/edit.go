package postgres

import (
	"context"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveEdit gives a message its new content, once for each event and its former one: the newest EditedAt stays, whatever the order. An edit
// that comes before its message is the message, counted once. created_at, place and counters stay, and so does an upload
// of ours. It reports whether it changed the message. A time that is not RFC 3339 is Permanent("undecodable").
func (s *Store) SaveEdit(ctx context.Context, eventID string, e messages.MessageUpdated) (changed bool, err error) {
	edit, err := store.NewEdit(eventID, e)
	if err != nil {
		return false, undecodable("save edit", err)
	}
	chat, row := edit.Row.Chat, edit.Row
	args := append([]any{chat.Org, chat.LiveChat, chat.ChatID, store.DayOf(row.CreatedUS), edit.EditedUS}, row.Values...)
	args = append(args, edit.TellsAuthor, edit.TellsVisibility, edit.FormerID)
	err = s.write(ctx, "save edit", func(c *call) {
		changed = false
		c.lockChat(chat)
		c.each(saveEdit, args, into(&changed))
		c.exec(bury, chat.Org, chat.LiveChat, chat.ChatID, edit.MessageID())
	})
	return err == nil && changed, err
}

// SaveDeletion takes the content of a message away, upload included, also of one that comes later; its place and its
// counters stay. Where the deletion tells the place, a message that is not stored gets it. The first deletion stays; a
// later one tells at most the place, else it changes nothing and returns false. A time that is not RFC 3339 is
// Permanent("undecodable").
func (s *Store) SaveDeletion(ctx context.Context, eventID string, e messages.MessageDeleted) (changed bool, err error) {
	place, err := store.NewPlace(eventID, e)
	if err != nil {
		return false, undecodable("save deletion", err)
	}
	var fresh, added int64
	chat := e.Chat
	args := []any{chat.Org, chat.LiveChat, chat.ChatID, e.MessageID}
	adds := append(args[:4:4], eventID, e.DeletedAt)
	err = s.write(ctx, "save deletion", func(c *call) {
		c.lockChat(chat)
		c.count(&fresh, addTombstone, adds...)
		if place.Values != nil {
			c.addPlace(&added, place)
		}
		c.exec(dropMedia, args...)
		c.exec(bury, args...)
	})
	return err == nil && fresh+added > 0, err
}

// addPlace adds the place of a removed message, or tells a message that stands by its edit alone what that did not.
func (c *call) addPlace(added *int64, place store.MessageRow) {
	chat := place.Chat
	names := []any{chat.Org, chat.LiveChat, chat.ChatID}
	args := append(append(names, nil, nil, nil, store.DayOf(place.CreatedUS)), place.Values...)
	c.count(added, addMessage, append(args, place.FormerID)...)
	c.exec(tellRest, append(append(names, place.Values[0]), place.Told()...)...)
}

// Differs reports whether the message with e's chat and id is stored with another type, text, content or author
// than e's. One that was edited or deleted never differs.
func (s *Store) Differs(ctx context.Context, e messages.MessageReceived) (differs bool, err error) {
	err = s.read(ctx, "compare message", func(c *call) {
		differs = false
		c.each(findWords, []any{e.Org, e.LiveChat, e.ChatID, e.Message.ID}, func(scan func(...any) error) error {
			same, err := store.HasWords(scan, e.Message)
			differs = !same
			return err
		})
	})
	return err == nil && differs, err
}

const (
	// saveEdit adds the whole message when there is none, and else sets what the edit tells and no newer one has. Both look
	// at the moment before the statement, so only one of them finds something to do. Of equally new edits the one with the
	// greater event id wins: edits in any order end in the same row.
	saveEdit = `
		WITH fresh AS (
			INSERT INTO message_edits (chat, message_id, event_id, edited_us, tells_author, tells_visibility)
			SELECT id, $6::text, $7::text, $5::bigint, $26::boolean, $27::boolean FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
				AND NOT EXISTS (SELECT FROM message_edits e WHERE e.chat = id AND e.message_id = $6 AND e.event_id = $28 OFFSET 0)
			ON CONFLICT DO NOTHING
			RETURNING chat
		), added AS (
			INSERT INTO messages (chat, ` + store.MessageColumns + `)
			SELECT chat, $6::text, $7::text, $8::text, $9::text, $10::text,
				$11::text, $12::text, $13::text, $14::text, $15::text, $16::bigint,
				$17::text, $18::text, $19::text, $20::bigint, $21::text,
				$22::text, $23::boolean, $24::boolean, $25::text
			FROM fresh
			ON CONFLICT DO NOTHING
			RETURNING chat, created_us
		), counted AS (
			INSERT INTO chat_days AS d (chat, day, messages) SELECT chat, $4::bigint, 1 FROM added
			ON CONFLICT (chat, day) DO UPDATE SET messages = d.messages + 1
		), counted_too AS (` + countInChat + `
		), mine AS (
			SELECT count(*) = 0 AS content, $26 AND count(*) FILTER (WHERE tells_author) = 0 AS author,
				$27 AND count(*) FILTER (WHERE tells_visibility) = 0 AS visibility
			FROM message_edits WHERE chat = (SELECT chat FROM fresh) AND message_id = $6 AND (edited_us, event_id) > ($5, $7)
		), edited AS (
			UPDATE messages m SET
				type = CASE WHEN mine.content THEN $11 ELSE m.type END,
				text = CASE WHEN mine.content THEN $12 ELSE m.text END,
				content = CASE WHEN mine.content THEN $22 ELSE m.content END,
				edited_at = CASE WHEN mine.content THEN $25 ELSE m.edited_at END,
				author_id = CASE WHEN mine.author THEN $13 ELSE m.author_id END,
				author_type = CASE WHEN mine.author THEN $14 ELSE m.author_type END,
				author_guessed = CASE WHEN mine.author THEN $23 ELSE m.author_guessed END,
				internal = CASE WHEN mine.visibility THEN $24 ELSE m.internal END
			FROM mine
			WHERE m.chat = (SELECT chat FROM fresh) AND m.message_id = $6 AND (mine.content OR mine.author OR mine.visibility)
			RETURNING m.chat
		)
		SELECT EXISTS (SELECT FROM added) OR EXISTS (SELECT FROM edited)`

	addTombstone = `
		INSERT INTO message_tombstones (chat, message_id, event_id, deleted_at)
		SELECT id, $4::text, $5::text, $6::text FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
		ON CONFLICT DO NOTHING`

	tellRest = `
		UPDATE messages SET author_id = CASE WHEN author_type = '' THEN $5 ELSE author_id END,
			author_type = CASE WHEN author_type = '' THEN $6 ELSE author_type END,
			author_guessed = CASE WHEN author_type = '' THEN $7 ELSE author_guessed END,
			internal = coalesce(internal, $8)` + ofMessage

	// Without its row nobody can fetch an upload any more.
	dropMedia = `
		DELETE FROM media WHERE org = $1 AND livechat = $2 AND chat_id = $3 AND id = (
			SELECT file_id FROM messages
			WHERE chat = (SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3) AND message_id = $4)`

	findWords = `SELECT ` + store.WordsColumns + ` FROM messages` + ofMessage + ` AND edited_at IS NULL AND deleted_at IS NULL`
)
