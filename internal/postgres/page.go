package postgres

import (
	"context"
	"fmt"
	"math"
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
	var p pager
	err := s.read(ctx, "read page", func(c *call) {
		p = pager{q: q}
		c.moment()
		c.each(countWindow, totalArgs(q), func(scan func(...any) error) error {
			p.known = true
			return scan(&p.page.Total)
		})
		c.each(readEntries, entriesArgs(q), p.add)
		c.ended()
	})
	slices.Reverse(p.page.Entries)
	return known(p.page, p.known, "read page", err, store.ErrUnknownChat)
}

// countWindow answers from counters wherever it can: the chat's own for the whole chat, those of the whole days in a
// window, and an index for up to two edges inside a day. The order is asked for only because the primary key has it and
// the other index on chat does not.
const countWindow = `
	SELECT CASE WHEN $4::boolean THEN c.messages ELSE
		(SELECT coalesce(sum(d.messages), 0)::bigint FROM chat_days d WHERE d.chat = c.id AND d.day BETWEEN $5 AND $6)
		+ (SELECT count(*) FROM (SELECT FROM messages WHERE chat = c.id AND created_us BETWEEN $7 AND $8 ORDER BY created_us) m)
		+ (SELECT count(*) FROM (SELECT FROM messages WHERE chat = c.id AND created_us BETWEEN $9 AND $10 ORDER BY created_us) m)
	END
	FROM chats c WHERE c.org = $1 AND c.livechat = $2 AND c.chat_id = $3 AND (c.messages > 0 OR c.opened)`

func totalArgs(q store.Query) []any {
	w := store.WindowOf(q)
	first, last, edges := int64(0), int64(-1), []store.Window(nil)
	if !w.Empty() {
		first, last, edges = w.Split()
	}
	args := []any{q.Chat.Org, q.Chat.LiveChat, q.Chat.ChatID, w.Whole(), first, last}
	for i := range 2 {
		edge := store.Window{From: 0, To: -1} // no time at all
		if i < len(edges) {
			edge = edges[i]
		}
		args = append(args, edge.From, edge.To)
	}
	return args
}

// readEntries walks the primary key backwards from a place and stops at the limit: no OFFSET, nothing is sorted. LATERAL
// and its LIMIT keep the planner from reading all receipts of a chat for the few of a page. Media are matched by their
// chat too, so that a guessed id shows nothing of another tenant.
const readEntries = `
	SELECT ` + store.EntryColumns + `
	FROM messages m
	LEFT JOIN LATERAL (
		SELECT * FROM chat_people WHERE m.author_guessed AND chat = m.chat AND person_id = m.author_id LIMIT 1
	) p ON true
	LEFT JOIN LATERAL (SELECT * FROM receipts WHERE chat = m.chat AND message_id = m.message_id LIMIT 1) r ON true
	LEFT JOIN LATERAL (
		SELECT * FROM media WHERE id = m.file_id AND org = $1 AND livechat = $2 AND chat_id = $3 LIMIT 1
	) d ON true
	WHERE m.chat = (SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3)
		AND m.created_us >= $4 AND (m.created_us, m.arrival) < ($5::bigint, $6::bigint)
	ORDER BY m.created_us DESC, m.arrival DESC LIMIT $7`

func entriesArgs(q store.Query) []any {
	w := store.WindowOf(q)
	before := store.Cursor{CreatedAt: w.To, Arrival: math.MaxInt64} // no message has the last number
	if !q.Before.IsZero() && q.Before.CreatedAt <= w.To {
		before = q.Before
	}
	// One more than the page holds tells whether there are older ones.
	return []any{q.Chat.Org, q.Chat.LiveChat, q.Chat.ChatID, w.From, before.CreatedAt, before.Arrival, q.Limit + 1}
}

// pager gathers one page, newest first.
type pager struct {
	q      store.Query
	known  bool
	page   store.Page
	oldest store.Cursor // of the entries gathered
}

func (p *pager) add(scan func(dest ...any) error) error {
	if len(p.page.Entries) == p.q.Limit {
		p.page.Next = p.oldest
		return nil
	}
	entry, at, err := store.ScanEntry(scan, p.q.Chat)
	p.page.Entries, p.oldest = append(p.page.Entries, entry), at
	return err
}

// known is what a look-up answers: what was found, or err, or that it is unknown.
func known[T any](found T, any bool, doing string, err, unknown error) (T, error) {
	if err == nil && any {
		return found, nil
	}
	var zero T
	if err == nil {
		err = fmt.Errorf("%s: %w", doing, unknown)
	}
	return zero, err
}
