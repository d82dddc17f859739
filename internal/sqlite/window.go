package sqlite

import (
	"math"

	"github.com/livepipe/livepipe/internal/store"
)

// usPerDay is one UTC day in microseconds. Unix time has no leap seconds, so every day has the same length.
const usPerDay = 24 * 60 * 60 * 1_000_000

// dayOf counts UTC days from 1970-01-01; days before are negative.
func dayOf(us int64) int64 {
	day := us / usPerDay
	if us%usPerDay < 0 {
		day--
	}
	return day
}

// window is a range of created_at, both ends inclusive, in Unix microseconds. An open end is the end of int64: RFC 3339
// years are 0000 to 9999, not a sixtieth of that.
type window struct{ from, to int64 }

func windowOf(q store.Query) window {
	w := window{from: math.MinInt64, to: math.MaxInt64}
	if !q.From.IsZero() {
		w.from = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		w.to = q.To.UnixMicro()
	}
	return w
}

func (w window) empty() bool { return w.from > w.to }

// split divides a window into the whole days first to last and up to two edges inside a day.
func (w window) split() (first, last int64, edges []window) {
	first, last = dayOf(w.from), dayOf(w.to)
	opens := w.from == math.MinInt64 || w.from == first*usPerDay
	closes := w.to == math.MaxInt64 || w.to == last*usPerDay+usPerDay-1
	if first == last && (!opens || !closes) {
		return 0, -1, []window{w}
	}
	if !opens {
		edges = append(edges, window{w.from, first*usPerDay + usPerDay - 1})
		first++
	}
	if !closes {
		edges = append(edges, window{last * usPerDay, w.to})
		last--
	}
	return first, last, edges
}

const (
	sumDays   = `SELECT coalesce(sum(messages), 0) FROM chat_days WHERE chat = ? AND day BETWEEN ? AND ?`
	countEdge = `SELECT count(*) FROM messages WHERE chat = ? AND created_us BETWEEN ? AND ?`
)

// total counts the messages of a window: whole days from their counters, the edges by index. all is the chat's count.
func (v view) total(chat, all int64, w window) (int64, error) {
	if w.empty() {
		return 0, nil
	}
	if (w == window{math.MinInt64, math.MaxInt64}) {
		return all, nil
	}
	first, last, edges := w.split()
	var total int64
	if first <= last {
		if _, err := v.scan(sumDays, []any{chat, first, last}, &total); err != nil {
			return 0, err
		}
	}
	for _, edge := range edges {
		var n int64
		if _, err := v.scan(countEdge, []any{chat, edge.from, edge.to}, &n); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
