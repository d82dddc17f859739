package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/livepipe/livepipe/internal/store"
)

// Page returns the newest q.Limit messages of the window before the cursor, oldest first, with the window's exact total,
// all as of one moment. store.ErrUnknownChat when the chat has no message and was not opened. An empty window
// (From after To) is an empty page. The cost depends on the limit, on the days of the window and on the two edge days, not
// on the chat's length.
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
		return store.Page{}, failed("read page", err)
	}
	return page, nil
}

const findKnownChat = `
	SELECT id, messages FROM chats WHERE org = ? AND livechat = ? AND chat_id = ? AND (messages > 0 OR opened)`

func (v view) page(q store.Query) (store.Page, error) {
	var chat, all int64
	known, err := v.scan(findKnownChat, []any{q.Chat.Org, q.Chat.LiveChat, q.Chat.ChatID}, &chat, &all)
	if err != nil {
		return store.Page{}, fmt.Errorf("find chat: %w", err)
	}
	if !known {
		return store.Page{}, store.ErrUnknownChat
	}
	w := store.WindowOf(q)
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

// A page walks the history index backwards from a place and stops at the limit: no OFFSET, nothing is sorted. The rest of
// the cursor's own moment and what is older are two queries, because SQLite seeks by created_us alone when both stand in
// one comparison, and would step over all messages of a moment that many share. Media are matched by their chat too, so
// that a guessed id shows nothing of another tenant.
const (
	readEntries = `
		SELECT ` + store.EntryColumns + `
		FROM messages m
		LEFT JOIN chat_people p ON m.author_guessed AND p.chat = m.chat AND p.person_id = m.author_id
		LEFT JOIN receipts r ON r.chat = m.chat AND r.message_id = m.message_id
		LEFT JOIN media d ON d.id = m.file_id AND d.org = ?1 AND d.livechat = ?2 AND d.chat_id = ?3
		WHERE m.chat = ?4 AND `
	newestFirst = ` ORDER BY m.created_us DESC, m.arrival DESC LIMIT ?5`

	readMoment = readEntries + `m.created_us = ?6 AND m.arrival < ?7` + newestFirst
	readWindow = readEntries + `m.created_us BETWEEN ?6 AND ?7` + newestFirst
)

func (v view) entries(chat int64, q store.Query, w store.Window) (store.Page, error) {
	p := pager{view: v, chat: chat, q: q}
	if before := q.Before; !before.IsZero() && before.CreatedAt <= w.To {
		if before.CreatedAt >= w.From {
			if err := p.read(readMoment, before.CreatedAt, before.Arrival); err != nil {
				return store.Page{}, err
			}
		}
		if before.CreatedAt <= w.From { // also keeps the next line from wrapping around
			w = store.Window{From: 0, To: -1}
		} else {
			w.To = before.CreatedAt - 1
		}
	}
	if !w.Empty() && p.missing() > 0 {
		if err := p.read(readWindow, w.From, w.To); err != nil {
			return store.Page{}, err
		}
	}
	slices.Reverse(p.page.Entries)
	return p.page, nil
}

// pager gathers one page, newest first.
type pager struct {
	view
	chat   int64
	q      store.Query
	page   store.Page
	oldest store.Cursor // of the entries gathered
}

// missing counts what is still to be read: the page and one more, which tells whether there are older ones.
func (p *pager) missing() int {
	if !p.page.Next.IsZero() {
		return 0
	}
	return p.q.Limit + 1 - len(p.page.Entries)
}

func (p *pager) read(query string, bounds ...any) error {
	c := p.q.Chat
	args := append([]any{c.Org, c.LiveChat, c.ChatID, p.chat, p.missing()}, bounds...)
	return p.each(query, args, func(rows *sql.Rows) error {
		if len(p.page.Entries) == p.q.Limit {
			p.page.Next = p.oldest
			return nil
		}
		entry, at, err := store.ScanEntry(rows.Scan, c)
		p.page.Entries, p.oldest = append(p.page.Entries, entry), at
		return err
	})
}
