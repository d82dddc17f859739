package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// DeleteOlder deletes up to limit messages of a tenant that were written before a moment, with everything that hangs on
// them, and returns what went; totals and pages are exact at every moment. A chat without messages to which nothing has
// happened since the moment is forgotten. The row of an upload goes too; its blobs are the caller's, who gets its media id.
func (s *Store) DeleteOlder(ctx context.Context, of messages.Tenant, before time.Time, limit int) (deleted store.Deleted, err error) {
	r := retention{of: of, before: before.UnixMicro(), limit: limit}
	deleted, err = write(ctx, s.writer, r.run)
	return deleted, failed("delete older messages", err)
}

type retention struct {
	of     messages.Tenant
	before int64 // Unix microseconds
	limit  int
}

// run also bounds how many chats it looks at, because it keeps every other writer waiting.
func (r retention) run(tx *tx) (deleted store.Deleted, err error) {
	for looked := 0; deleted.Messages < r.limit && looked < r.limit; looked++ {
		chat := messages.Chat{Tenant: r.of}
		var number int64
		found, err := tx.scan(findOldest, []any{r.of.Org, r.of.LiveChat, r.before}, &number, &chat.ChatID)
		if err != nil {
			return store.Deleted{}, fmt.Errorf("find oldest chat: %w", err)
		}
		if !found {
			break
		}
		of, err := tx.deleteOldest(number, chat, r.before, r.limit-deleted.Messages)
		if err != nil {
			return store.Deleted{}, err
		}
		deleted.Add(of)
		if err := tx.forget(number, r.before); err != nil {
			return store.Deleted{}, err
		}
	}
	return deleted, nil
}

// What goes is the messages of a chat up to a place in its order.
const (
	upTo = `chat = ?1 AND (created_us, arrival) <= (?2, ?3)`
	gone = `(SELECT message_id FROM messages WHERE ` + upTo + `)`

	findOldest = `
		SELECT id, chat_id FROM chats WHERE org = ? AND livechat = ? AND oldest_us < ? ORDER BY oldest_us LIMIT 1`
	findLast = `
		SELECT created_us, arrival FROM messages WHERE chat = ? AND created_us < ?
		ORDER BY created_us, arrival LIMIT 1 OFFSET ?`

	dropReceipts     = `DELETE FROM receipts WHERE chat = ?1 AND message_id IN ` + gone
	dropReceiptTimes = `DELETE FROM receipt_times WHERE chat = ?1 AND message_id IN ` + gone
	dropEdits        = `DELETE FROM message_edits WHERE chat = ?1 AND message_id IN ` + gone
	dropTombstones   = `DELETE FROM message_tombstones WHERE chat = ?1 AND message_id IN ` + gone
	dropUploads      = `
		DELETE FROM media WHERE id IN (SELECT file_id FROM messages WHERE ` + upTo + ` AND file_id IS NOT NULL)
			AND org = ?4 AND livechat = ?5 AND chat_id = ?6`
	// What still has a row after dropUploads is another chat's upload.
	findFiles = `
		SELECT file_id FROM messages WHERE ` + upTo + ` AND file_id IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM media WHERE id = messages.file_id)`
	uncountInDays = `
		UPDATE chat_days SET messages = messages - (SELECT count(*) FROM messages
			WHERE ` + upTo + ` AND created_us BETWEEN chat_days.day * ?4 AND chat_days.day * ?4 + ?4 - 1)
		WHERE chat = ?1 AND day <= ?5`
	dropDays      = `DELETE FROM chat_days WHERE chat = ? AND day <= ? AND messages = 0`
	dropMessages  = `DELETE FROM messages WHERE ` + upTo
	uncountInChat = `
		UPDATE chats SET messages = messages - ?2, oldest_us = CASE WHEN messages > ?2
			THEN (SELECT min(created_us) FROM messages WHERE chat = ?1) ELSE changed_us END
		WHERE id = ?1`
)

// deleteOldest deletes up to limit messages of one chat, oldest first.
func (t *tx) deleteOldest(number int64, chat messages.Chat, before int64, limit int) (deleted store.Deleted, err error) {
	last := store.Cursor{CreatedAt: before - 1, Arrival: math.MaxInt64}
	if _, err := t.scan(findLast, []any{number, before, limit - 1}, &last.CreatedAt, &last.Arrival); err != nil {
		return deleted, fmt.Errorf("find last message to delete: %w", err)
	}
	place := []any{number, last.CreatedAt, last.Arrival}
	for _, drop := range []struct {
		statement string
		args      []any
	}{
		{dropReceipts, place},
		{dropReceiptTimes, place},
		{dropEdits, place},
		{dropTombstones, place},
		{dropUploads, append(place[:3:3], chat.Org, chat.LiveChat, chat.ChatID)},
		{uncountInDays, append(place[:3:3], int64(store.MicrosecondsPerDay), store.DayOf(last.CreatedAt))},
		{dropDays, []any{number, store.DayOf(last.CreatedAt)}},
	} {
		if _, err := t.exec(drop.statement, drop.args...); err != nil {
			return deleted, fmt.Errorf("delete what hangs on messages: %w", err)
		}
	}
	err = t.each(findFiles, place, func(rows *sql.Rows) error {
		var file string
		err := rows.Scan(&file)
		deleted.Files = append(deleted.Files, file)
		return err
	})
	if err != nil {
		return deleted, fmt.Errorf("find files of messages: %w", err)
	}
	n, err := t.exec(dropMessages, place...)
	if err != nil {
		return deleted, fmt.Errorf("delete messages: %w", err)
	}
	if _, err := t.exec(uncountInChat, number, n); err != nil {
		return deleted, fmt.Errorf("count messages: %w", err)
	}
	deleted.Messages = int(n)
	return deleted, nil
}

const (
	forgetChat = `
		UPDATE chats SET opened = 0, changed_us = NULL, oldest_us = NULL
		WHERE id = ? AND messages = 0 AND (changed_us IS NULL OR changed_us < ?)`

	forgetPeople       = `DELETE FROM chat_people WHERE chat = ?`
	forgetChanges      = `DELETE FROM conversation_changes WHERE chat = ?`
	forgetSeen         = `DELETE FROM chat_seen WHERE chat = ?`
	forgetReceipts     = `DELETE FROM receipts WHERE chat = ?`
	forgetReceiptTimes = `DELETE FROM receipt_times WHERE chat = ?`
	forgetEdits        = `DELETE FROM message_edits WHERE chat = ?`
	forgetTombstones   = `DELETE FROM message_tombstones WHERE chat = ?`
)

// forget makes a chat unknown again that has no message left and to which nothing has happened since. Its number stays.
func (t *tx) forget(number, before int64) error {
	empty, err := t.exec(forgetChat, number, before)
	if err != nil {
		return fmt.Errorf("forget chat: %w", err)
	}
	if empty == 0 {
		return nil
	}
	for _, forget := range []string{
		forgetPeople, forgetChanges, forgetSeen, forgetReceipts, forgetReceiptTimes, forgetEdits, forgetTombstones,
	} {
		if _, err := t.exec(forget, number); err != nil {
			return fmt.Errorf("forget what hangs on chat: %w", err)
		}
	}
	return nil
}
