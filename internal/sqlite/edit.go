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
		INSERT INTO message_edits (chat, message_id, event_id, edited_us, tells_author, tells_visibility) SELECT ?1, ?2, ?3, ?4, ?5, ?6
		WHERE NOT EXISTS (SELECT 1 FROM message_edits WHERE chat = ?1 AND message_id = ?2 AND event_id = ?7)
		ON CONFLICT DO NOTHING`

	// Of equally new edits the one with the greater event id wins: edits in any order end in the same row. Author and
	// visibility are those of the newest edit that tells them.
	setEdit = `
		UPDATE messages SET type = ?5, text = ?6, content = ?7, edited_at = ?8
		WHERE chat = ?1 AND message_id = ?2 AND NOT EXISTS (` + newerEdit + `)`

	setAuthor = `
		UPDATE messages SET author_id = ?5, author_type = ?6, author_guessed = ?7
		WHERE chat = ?1 AND message_id = ?2 AND NOT EXISTS (` + newerEdit + ` AND e.tells_author)`

	setVisibility = `
		UPDATE messages SET internal = ?5
		WHERE chat = ?1 AND message_id = ?2 AND NOT EXISTS (` + newerEdit + ` AND e.tells_visibility)`

	newerEdit = `
			SELECT 1 FROM message_edits e WHERE e.chat = ?1 AND e.message_id = ?2 AND (e.edited_us, e.event_id) > (?4, ?3)`

	addTombstone = `INSERT INTO message_tombstones (chat, message_id, event_id, deleted_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`

	tellRest = `
		UPDATE messages SET author_id = CASE WHEN author_type = '' THEN ?3 ELSE author_id END,
			author_type = CASE WHEN author_type = '' THEN ?4 ELSE author_type END,
			author_guessed = CASE WHEN author_type = '' THEN ?5 ELSE author_guessed END,
			internal = coalesce(internal, ?6)
		WHERE chat = ?1 AND message_id = ?2`

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
	fresh, err := t.exec(addEdit, chat, e.MessageID(), e.EventID, e.EditedUS, e.TellsAuthor, e.TellsVisibility, e.FormerID)
	if err != nil || fresh == 0 {
		return false, err
	}
	changed, err = t.addMessage(chat, e.Row)
	if err != nil {
		return false, err
	}
	if !changed {
		if changed, err = t.setEdit(chat, e); err != nil {
			return false, err
		}
	}
	if _, err := t.exec(bury, chat, e.MessageID()); err != nil {
		return false, fmt.Errorf("take content away: %w", err)
	}
	return changed, nil
}

// setEdit gives a stored message whatever no newer edit has told.
func (t *tx) setEdit(chat int64, e store.Edit) (changed bool, err error) {
	told := e.Row.Told()
	for _, part := range []struct {
		tells  bool
		set    string
		values []any
	}{{true, setEdit, e.Set()}, {e.TellsAuthor, setAuthor, told[:3]}, {e.TellsVisibility, setVisibility, told[3:]}} {
		if !part.tells {
			continue
		}
		n, err := t.exec(part.set, append([]any{chat, e.MessageID(), e.EventID, e.EditedUS}, part.values...)...)
		if err != nil {
			return false, fmt.Errorf("set what was edited: %w", err)
		}
		changed = changed || n == 1
	}
	return changed, nil
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
	changed, err = write(ctx, s.writer, func(tx *tx) (bool, error) { return tx.saveDeletion(eventID, e, place) })
	return changed, failed("save deletion", err)
}

func (t *tx) saveDeletion(eventID string, e messages.MessageDeleted, place store.MessageRow) (changed bool, err error) {
	chat, err := t.chatNumber(e.Chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	fresh, err := t.exec(addTombstone, chat, e.MessageID, eventID, e.DeletedAt)
	if err != nil || fresh == 0 && place.Values == nil {
		return false, err
	}
	added, err := t.addPlace(chat, place)
	if err != nil {
		return false, err
	}
	if _, err := t.exec(dropMedia, chat, e.MessageID, e.Org, e.LiveChat, e.ChatID); err != nil {
		return false, fmt.Errorf("delete media: %w", err)
	}
	if _, err := t.exec(bury, chat, e.MessageID); err != nil {
		return false, fmt.Errorf("take content away: %w", err)
	}
	return added || fresh == 1, nil
}

// addPlace adds the place of a removed message, or tells a message that stands by its edit alone what that did not.
func (t *tx) addPlace(chat int64, place store.MessageRow) (added bool, err error) {
	if place.Values == nil {
		return false, nil
	}
	if added, err = t.addMessage(chat, place); added || err != nil {
		return added, err
	}
	if _, err := t.exec(tellRest, append([]any{chat, place.Values[0]}, place.Told()...)...); err != nil {
		return false, fmt.Errorf("tell the rest: %w", err)
	}
	return false, nil
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
