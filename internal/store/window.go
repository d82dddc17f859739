package store

import "math"

// MicrosecondsPerDay is one UTC day. Unix time has no leap seconds, so every day has the same length.
const MicrosecondsPerDay = 24 * 60 * 60 * 1_000_000

// DayOf counts UTC days from 1970-01-01 to a time in Unix microseconds; days before are negative.
func DayOf(us int64) int64 {
	day := us / MicrosecondsPerDay
	if us%MicrosecondsPerDay < 0 {
		day--
	}
	return day
}

// Window is a range of created_at, both ends inclusive, in Unix microseconds. An open end is the end of int64: RFC 3339
// years are 0000 to 9999, not a sixtieth of that.
type Window struct{ From, To int64 }

// WindowOf is the window of a query, whatever its cursor.
func WindowOf(q Query) Window {
	w := Window{From: math.MinInt64, To: math.MaxInt64}
	if !q.From.IsZero() {
		w.From = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		w.To = q.To.UnixMicro()
	}
	return w
}

// Empty reports whether no time is in the window.
func (w Window) Empty() bool { return w.From > w.To }

// Whole reports whether both ends are open.
func (w Window) Whole() bool { return w == Window{math.MinInt64, math.MaxInt64} }

// Split divides a window that is not empty into the whole days first to last and up to two edges inside a day. There is
// no whole day when first is above last.
func (w Window) Split() (first, last int64, edges []Window) {
	first, last = DayOf(w.From), DayOf(w.To)
	opens := w.From == math.MinInt64 || w.From == first*MicrosecondsPerDay
	closes := w.To == math.MaxInt64 || w.To == last*MicrosecondsPerDay+MicrosecondsPerDay-1
	if first == last && (!opens || !closes) {
		return 0, -1, []Window{w}
	}
	if !opens {
		edges = append(edges, Window{w.From, first*MicrosecondsPerDay + MicrosecondsPerDay - 1})
		first++
	}
	if !closes {
		edges = append(edges, Window{last * MicrosecondsPerDay, w.To})
		last--
	}
	return first, last, edges
}
