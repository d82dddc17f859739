package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	addEdit = `
		INSERT INTO message_edits (chat, message_id, event_id, edited_us) SELECT ?1, ?2, ?3, ?4
		WHERE NOT EXISTS (SELECT 1 FROM message_edits WHERE chat = ?1 AND message_id = ?2 AND event_id = ?5)
		ON CONFLICT DO NOTHING`

	// Of equally new edits the one with the greater event id wins: edits in any order end in the same row.
	setEdit = `
		UPDATE messages SET type = ?5, text = ?6, author_id = ?7, author_type = ?8,
			content = ?9, author_guessed = ?10, internal = ?11, edited_at = ?12
		WHERE chat = ?1 AND message_id = ?2 AND NOT EXISTS (
			SELECT 1 FROM message_edits e WHERE e.chat = ?1 AND e.message_id = ?2 AND (e.edited_us, e.event_id) > (?4, ?3))`

	addTombstone = `INSERT INTO message_tombstones (chat, message_id, event_id, deleted_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`

	// Without its row nobody can fetch an upload any more.
	dropMedia = `
		DELETE FROM media WHERE id = (SELECT file_id FROM messages WHERE chat = ?1 AND message_id = ?2)
			AND org = ?3 AND livechat = ?4 AND chat_id = ?5`

	findWords = `
		SELECT ` + store.WordsColumns + ` FROM messages
		WHERE chat = (SELECT id FROM chats WHERE org = ? AND livechat = ? AND chat_id = ?) AND message_id = ?
			AND edited_at IS NULL AND deleted_at IS NULL`
)

// SaveEdit gives a message its new content, once for each event and its former one: the newest EditedAt stays, whatever the order. An edit
// that comes before its message is the message, counted once. created_at, place and counters stay, and so does an upload
// of ours. It reports whether it changed the message. A time that is not RFC 3339 is Permanent("undecodable").
func (s *Store) SaveEdit(ctx context.Context, eventID string, e messages.MessageUpdated) (changed bool, err error) {
	edit, err := store.NewEdit(eventID, e)
	if err != nil {
		return false, undecodable("save edit", err)
	}
	changed, err = write(ctx, s.writer, func(tx *tx) (bool, error) { return tx.saveEdit(edit) })
	return changed, failed("save edit", err)
}

func (t *tx) saveEdit(e store.Edit) (changed bool, err error) {
	chat, err := t.chatNumber(e.Row.Chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	fresh, err := t.exec(addEdit, chat, e.MessageID(), e.EventID, e.EditedUS, e.FormerID)
	if err != nil || fresh == 0 {
		return false, err
	}
	changed, err = t.addMessage(chat, e.Row)
	if err != nil {
		return false, err
	}
	if !changed {
		set, err := t.exec(setEdit, append([]any{chat, e.MessageID(), e.EventID, e.EditedUS}, e.Set()...)...)
		if err != nil {
			return false, fmt.Errorf("set content: %w", err)
		}
		changed = set == 1
	}
	if _, err := t.exec(bury, chat, e.MessageID()); err != nil {
		return false, fmt.Errorf("take content away: %w", err)
	}
	return changed, nil
}

// SaveDeletion takes the content of a message away, upload included, also of one that comes later; its place and its
// counters stay. The first deletion stays; a later one changes nothing and returns false. A time that is not RFC 3339 is
// Permanent("undecodable").
func (s *Store) SaveDeletion(ctx context.Context, eventID string, e messages.MessageDeleted) (changed bool, err error) {
	if err := store.CheckDeletion(e); err != nil {
		return false, undecodable("save deletion", err)
	}
	changed, err = write(ctx, s.writer, func(tx *tx) (bool, error) { return tx.saveDeletion(eventID, e) })
	return changed, failed("save deletion", err)
}

func (t *tx) saveDeletion(eventID string, e messages.MessageDeleted) (changed bool, err error) {
	chat, err := t.chatNumber(e.Chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	fresh, err := t.exec(addTombstone, chat, e.MessageID, eventID, e.DeletedAt)
	if err != nil || fresh == 0 {
		return false, err
	}
	if _, err := t.exec(dropMedia, chat, e.MessageID, e.Org, e.LiveChat, e.ChatID); err != nil {
		return false, fmt.Errorf("delete media: %w", err)
	}
	if _, err := t.exec(bury, chat, e.MessageID); err != nil {
		return false, fmt.Errorf("take content away: %w", err)
	}
	return true, nil
}

// Differs reports whether the message with e's chat and id is stored with another type, text, content or author
// than e's. One that was edited or deleted never differs.
func (s *Store) Differs(ctx context.Context, e messages.MessageReceived) (differs bool, err error) {
	args := []any{e.Org, e.LiveChat, e.ChatID, e.Message.ID}
	err = s.reader.each(ctx, findWords, args, func(rows *sql.Rows) error {
		same, err := store.HasWords(rows.Scan, e.Message)
		differs = !same
		return err
	})
	return err == nil && differs, failed("compare message", err)
}
