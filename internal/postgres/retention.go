package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// DeleteOlder deletes up to limit messages of a tenant that were written before a moment, with everything that hangs on
// them, and returns what went; totals and pages are exact at every moment. A chat without messages to which nothing has
// happened since the moment is forgotten. The row of an upload goes too; its blobs are the caller's, who gets its media id.
// Each chat is a transaction of its own, so that nobody waits for another chat's; after an error those before it are done,
// and returned beside it. Of a chat whose commit was lost on the way nobody knows whether it is done: it is not returned.
func (s *Store) DeleteOlder(ctx context.Context, of messages.Tenant, before time.Time, limit int) (deleted store.Deleted, err error) {
	if limit < 1 {
		return store.Deleted{}, nil
	}
	chats, err := s.oldest(ctx, of, before.UnixMicro(), limit)
	for _, chat := range chats {
		if err != nil || deleted.Messages >= limit {
			break
		}
		var of store.Deleted
		of, err = s.deleteOldest(ctx, chat, before.UnixMicro(), limit-deleted.Messages)
		deleted.Add(of)
	}
	return deleted, err
}

// numbered is a chat with the number that stands for it in the other tables.
type numbered struct {
	messages.Chat
	number int64
}

func (s *Store) oldest(ctx context.Context, of messages.Tenant, before int64, limit int) (chats []numbered, err error) {
	err = s.read(ctx, "find chats with older messages", func(c *call) {
		chats = nil
		c.each(findOldest, []any{of.Org, of.LiveChat, before, limit}, func(scan func(...any) error) error {
			chat := numbered{Chat: messages.Chat{Tenant: of}}
			err := scan(&chat.number, &chat.ChatID)
			chats = append(chats, chat)
			return err
		})
	})
	return chats, err
}

// deleteOldest deletes up to limit messages of one chat, oldest first. What it finds to delete may change until the chat is
// locked; the counters and the files follow from what is deleted then.
func (s *Store) deleteOldest(ctx context.Context, chat numbered, before int64, limit int) (deleted store.Deleted, err error) {
	var ids []string
	var days []int64
	err = s.read(ctx, "find older messages", func(c *call) {
		ids, days = []string{}, []int64{}
		c.each(findOlder, []any{chat.number, before, limit}, func(scan func(...any) error) error {
			var id string
			var createdUS int64
			err := scan(&id, &createdUS)
			ids = append(ids, id)
			days = append(days, store.DayOf(createdUS)) // in order
			return err
		})
	})
	if err != nil {
		return store.Deleted{}, err
	}
	days = slices.Compact(days)
	err = s.write(ctx, "delete older messages", func(c *call) {
		deleted = store.Deleted{}
		c.exec(lockNumber, chat.number)
		c.exec(dropUploads, chat.Org, chat.LiveChat, chat.ChatID, chat.number, ids)
		c.each(dropMessages, []any{chat.number, ids, days, int64(store.MicrosecondsPerDay)}, into(&deleted.Messages, &deleted.Files))
		c.exec(dropDays, chat.number, days)
		for _, drop := range []string{dropReceipts, dropReceiptTimes, dropEdits, dropTombstones} {
			c.exec(drop, chat.number, ids)
		}
		c.exec(noteOldest, chat.number)
		c.exec(forgetChat, chat.number, before)
	})
	if err != nil {
		return store.Deleted{}, err
	}
	return deleted, nil
}

const (
	findOldest = `
		SELECT id, chat_id FROM chats WHERE org = $1 AND livechat = $2 AND oldest_us < $3 ORDER BY oldest_us LIMIT $4`
	findOlder = `
		SELECT message_id, created_us FROM messages WHERE chat = $1 AND created_us < $2
		ORDER BY created_us, arrival LIMIT $3`

	lockNumber = `SELECT FROM chats WHERE id = $1 FOR NO KEY UPDATE`

	// dropMessages comes after dropUploads: a file that still has a row is another chat's upload.
	dropMessages = `
		WITH gone AS (
			DELETE FROM messages WHERE chat = $1 AND message_id = ANY ($2::text[]) RETURNING created_us, file_id
		), uncounted AS (
			UPDATE chat_days d SET messages = d.messages
				- (SELECT count(*) FROM gone WHERE created_us BETWEEN d.day * $4::bigint AND d.day * $4::bigint + $4::bigint - 1)
			WHERE d.chat = $1 AND d.day = ANY ($3::bigint[])
		)
		UPDATE chats SET messages = messages - (SELECT count(*) FROM gone) WHERE id = $1
		RETURNING (SELECT count(*) FROM gone), ARRAY (
			SELECT file_id FROM gone WHERE file_id IS NOT NULL AND (SELECT true FROM media WHERE id = file_id) IS NULL)`

	dropDays = `DELETE FROM chat_days WHERE chat = $1 AND day = ANY ($2::bigint[]) AND messages = 0`

	dropReceipts     = `DELETE FROM receipts WHERE chat = $1 AND message_id = ANY ($2::text[])`
	dropReceiptTimes = `DELETE FROM receipt_times WHERE chat = $1 AND message_id = ANY ($2::text[])`
	dropEdits        = `DELETE FROM message_edits WHERE chat = $1 AND message_id = ANY ($2::text[])`
	dropTombstones   = `DELETE FROM message_tombstones WHERE chat = $1 AND message_id = ANY ($2::text[])`
	dropUploads      = `
		DELETE FROM media WHERE org = $1 AND livechat = $2 AND chat_id = $3 AND id = ANY (ARRAY (
			SELECT file_id FROM messages WHERE chat = $4 AND message_id = ANY ($5::text[]) AND file_id IS NOT NULL))`

	noteOldest = `
		UPDATE chats SET oldest_us = CASE WHEN messages > 0
			THEN (SELECT created_us FROM messages WHERE chat = $1 ORDER BY created_us LIMIT 1) ELSE changed_us END
		WHERE id = $1`

	// forgetChat makes a chat unknown again that has no message left and to which nothing has happened since. Its number
	// stays.
	forgetChat = `
		WITH forgotten AS (
			UPDATE chats SET opened = false, changed_us = NULL, oldest_us = NULL
			WHERE id = $1 AND messages = 0 AND (changed_us IS NULL OR changed_us < $2)
			RETURNING id
		), people AS (DELETE FROM chat_people WHERE chat = (SELECT id FROM forgotten)
		), changes AS (DELETE FROM conversation_changes WHERE chat = (SELECT id FROM forgotten)
		), seen AS (DELETE FROM chat_seen WHERE chat = (SELECT id FROM forgotten)
		), reported AS (DELETE FROM receipts WHERE chat = (SELECT id FROM forgotten)
		), times AS (DELETE FROM receipt_times WHERE chat = (SELECT id FROM forgotten)
		), edits AS (DELETE FROM message_edits WHERE chat = (SELECT id FROM forgotten)
		), tombstones AS (DELETE FROM message_tombstones WHERE chat = (SELECT id FROM forgotten))
		SELECT FROM forgotten`
)
