package postgres

import (
	"fmt"
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
	if _, err := s.SaveMessage(t.Context(), "evt_first", received("first")); err != nil { // makes the chat
		t.Fatal(err)
	}
	execute(
		t, with(t, dsnOf(s), "statement_timeout", "0"),
		`DELETE FROM messages`,
		fmt.Sprintf(`
			INSERT INTO messages (chat, message_id, event_id, channel, user_id, type, text, author_id, author_type, created_at, created_us)
			SELECT c.id, 'msg_' || lpad(n::text, 10, '0'), 'evt_' || lpad(n::text, 32, '0'), 'livechat', 'user1', 'text',
				'Can you check order #12345? It was to come last week, and nobody answers my mails.', 'visitor1', 'visitor',
				'2024-01-15T10:30:00Z', %d + n * %d::bigint
			FROM chats c, generate_series(0, %d) AS g (n)`, int64(fillStart), int64(days)*store.MicrosecondsPerDay/n, n-1),
		`DELETE FROM chat_days`,
		fmt.Sprintf(`INSERT INTO chat_days SELECT chat, created_us / %d, count(*) FROM messages GROUP BY 1, 2`, int64(store.MicrosecondsPerDay)),
		`UPDATE chats SET messages = (SELECT count(*) FROM messages WHERE chat = chats.id)`,
	)
}

// blocks counts what the two statements of a page read, each made as the store's sessions make it.
func blocks(t *testing.T, s *Store, q store.Query) (total int) {
	t.Helper()
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for sql, args := range map[string][]any{countWindow: totalArgs(q), readEntries: entriesArgs(q)} {
		var n int
		for range 2 { // the first run of a fresh table sets hint bits
			rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) "+sql, append([]any{pgx.QueryExecModeExec}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			n = firstBuffers(lines)
		}
		total += n
	}
	return total
}

// firstBuffers reads the first line with buffers, which is about the whole statement.
func firstBuffers(lines []string) (n int) {
	for _, line := range lines {
		for _, m := range regexp.MustCompile(`(?:hit|read)=(\d+)`).FindAllStringSubmatch(line, -1) {
			some, _ := strconv.Atoi(m[1])
			n += some
		}
		if n > 0 {
			return n
		}
	}
	return 0
}
