package sqlite

import "github.com/livepipe/livepipe/internal/store"

const (
	sumDays   = `SELECT coalesce(sum(messages), 0) FROM chat_days WHERE chat = ? AND day BETWEEN ? AND ?`
	countEdge = `SELECT count(*) FROM messages WHERE chat = ? AND created_us BETWEEN ? AND ?`
)

// total counts the messages of a window: whole days from their counters, the edges by index. all is the chat's count.
func (v view) total(chat, all int64, w store.Window) (int64, error) {
	if w.Empty() {
		return 0, nil
	}
	if w.Whole() {
		return all, nil
	}
	first, last, edges := w.Split()
	var total int64
	if first <= last {
		if _, err := v.scan(sumDays, []any{chat, first, last}, &total); err != nil {
			return 0, err
		}
	}
	for _, edge := range edges {
		var n int64
		if _, err := v.scan(countEdge, []any{chat, edge.From, edge.To}, &n); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
