package postgres

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/livepipe/livepipe/internal/store"
)

// fillStart is the first moment of 2024, in Unix microseconds.
const fillStart = 1704067200_000_000

func day(n int) time.Time { return time.UnixMicro(fillStart).UTC().AddDate(0, 0, n) }

// fill puts n messages, evenly over the days from 2024-01-01 on, into chat1 by SQL alone.
func fill(t testing.TB, s *Store, n int64, days int) {
	t.Helper()
	err := s.run(t.Context(), "fill", func(c *call) {
		c.exec(`SELECT set_config('statement_timeout', '0', true)`)
		c.addChat(chat1)
		c.exec(`
			INSERT INTO messages (chat, message_id, event_id, channel, user_id, type, text, author_id, author_type, created_at, created_us)
			SELECT c.id, 'msg_' || lpad(n::text, 10, '0'), 'evt_' || lpad(n::text, 32, '0'), 'livechat', 'user1', 'text',
				'Can you check order #12345? It was to come last week, and nobody answers my mails.', 'visitor1', 'visitor',
				'2024-01-15T10:30:00Z', $1::bigint + n * $2::bigint
			FROM chats c, generate_series(0, $3::bigint - 1) AS g (n) WHERE c.chat_id = 'chat1'`, int64(fillStart), int64(days)*store.MicrosecondsPerDay/n, n)
		c.exec(`DELETE FROM chat_days`)
		c.exec(`INSERT INTO chat_days SELECT chat, created_us / $1::bigint, count(*) FROM messages GROUP BY 1, 2`, int64(store.MicrosecondsPerDay))
		c.exec(`UPDATE chats SET messages = (SELECT count(*) FROM messages WHERE chat = chats.id)`)
	}, func(*trouble) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
}

// blocks counts what the two statements of a page read.
func blocks(t *testing.T, s *Store, q store.Query) (n int) {
	t.Helper()
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for sql, args := range map[string][]any{countWindow: totalArgs(q), readEntries: entriesArgs(q)} {
		for range 2 { // the first run of a fresh table sets hint bits
			rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) "+sql, append([]any{pgx.QueryExecModeExec}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
			n = 0
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					t.Fatal(err)
				}
				if n > 0 {
					continue // the first line with buffers is the whole statement's
				}
				for _, m := range regexp.MustCompile(`(?:hit|read)=(\d+)`).FindAllStringSubmatch(line, -1) {
					some, _ := strconv.Atoi(m[1])
					n += some
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}
