package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// Page returns the newest q.Limit messages of the window before the cursor, oldest first, with the window's exact total,
// all as of one moment. store.ErrUnknownChat when no message of the chat is stored. An empty window (From after To) is an
// empty page. The cost depends on the limit, on the days of the window and on the two edge days, not on the chat's length.
func (s *Store) Page(ctx context.Context, q store.Query) (store.Page, error) {
	if q.Limit < 1 {
		return store.Page{}, fmt.Errorf("read page: limit %d is below 1", q.Limit)
	}
	var page store.Page
	err := s.reader.view(ctx, func(v view) (err error) {
		page, err = v.page(q)
		return err
	})
	if err != nil {
		return store.Page{}, s.failed("read page", err)
	}
	return page, nil
}

const findKnownChat = `
	SELECT id, messages FROM chats WHERE org = ? AND livechat = ? AND chat_id = ? AND messages > 0`

func (v view) page(q store.Query) (store.Page, error) {
	var chat, all int64
	known, err := v.scan(findKnownChat, []any{q.Chat.Org, q.Chat.LiveChat, q.Chat.ChatID}, &chat, &all)
	if err != nil {
		return store.Page{}, fmt.Errorf("find chat: %w", err)
	}
	if !known {
		return store.Page{}, store.ErrUnknownChat
	}
	w := windowOf(q)
	total, err := v.total(chat, all, w)
	if err != nil {
		return store.Page{}, fmt.Errorf("count window: %w", err)
	}
	if total == 0 {
		return store.Page{}, nil
	}
	page, err := v.entries(chat, q, w)
	if err != nil {
		return store.Page{}, fmt.Errorf("read entries: %w", err)
	}
	page.Total = total
	return page, nil
}

// pageEntries walks the history index backwards from a place and stops at the limit: no OFFSET, nothing is sorted. Media
// are matched by their chat too, so that a guessed id shows nothing of another tenant.
const pageEntries = `
	SELECT m.created_us, m.arrival, m.message_id, m.type, m.text, m.author_id, m.author_type, m.created_at,
		m.file_id, m.file_name, m.file_content_type, m.file_size, m.file_extension,
		r.status,
		d.state, d.reason, d.etag, d.has_thumbnail, d.decided_us,
		d.file_name, d.file_content_type, d.file_size, d.file_extension
	FROM messages m
	LEFT JOIN receipts r ON r.chat = m.chat AND r.message_id = m.message_id
	LEFT JOIN media d ON d.id = m.file_id AND d.org = ?1 AND d.livechat = ?2 AND d.chat_id = ?3
	WHERE m.chat = ?4 AND m.created_us >= ?5 AND (m.created_us, m.arrival) < (?6, ?7)
	ORDER BY m.created_us DESC, m.arrival DESC
	LIMIT ?8`

func (v view) entries(chat int64, q store.Query, w window) (store.Page, error) {
	before := store.Cursor{CreatedAt: w.to, Arrival: math.MaxInt64} // behind every message of the window's last moment
	if !q.Before.IsZero() && q.Before.CreatedAt <= w.to {
		before = q.Before
	}
	args := []any{
		q.Chat.Org, q.Chat.LiveChat, q.Chat.ChatID,
		chat, w.from, before.CreatedAt, before.Arrival, q.Limit + 1, // one more tells whether there are older ones
	}
	var page store.Page
	var oldest store.Cursor
	err := v.each(pageEntries, args, func(rows *sql.Rows) error {
		if len(page.Entries) == q.Limit {
			page.Next = oldest
			return nil
		}
		entry, at, err := scanEntry(rows, q.Chat)
		page.Entries, oldest = append(page.Entries, entry), at
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	slices.Reverse(page.Entries)
	return page, nil
}

func scanEntry(rows *sql.Rows, chat messages.Chat) (store.Entry, store.Cursor, error) {
	var (
		e            store.Entry
		at           store.Cursor
		text, status sql.NullString
		file         nullFile
		media        nullMedia
	)
	err := rows.Scan(&at.CreatedAt, &at.Arrival, &e.ID, &e.Type, &text, &e.Author.ID, &e.Author.Type, &e.CreatedAt,
		&file.id, &file.name, &file.contentType, &file.size, &file.extension,
		&status,
		&media.state, &media.reason, &media.etag, &media.hasThumbnail, &media.decidedUS,
		&media.file.name, &media.file.contentType, &media.file.size, &media.file.extension)
	if err != nil {
		return store.Entry{}, store.Cursor{}, err
	}
	if text.Valid {
		e.Text = &text.String
	}
	e.Status = messages.Status(status.String)
	e.File = file.file()
	media.file.id = file.id
	e.Media = media.media(chat)
	return e, at, nil
}
