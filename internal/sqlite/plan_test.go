package sqlite

import (
	"database/sql"
	"strings"
	"testing"
)

// A page must not cost more in a longer chat: each step of its queries is a search by index, and nothing is sorted.
func TestPageSearchesByIndexOnly(t *testing.T) {
	s := openNew(t)
	for name, query := range map[string]struct {
		text string
		args int
		want string // what the first step has to narrow by
	}{
		"chat":   {findKnownChat, 3, "(org=? AND livechat=? AND chat_id=?)"},
		"days":   {sumDays, 3, "(chat=? AND day>? AND day<?)"},
		"edge":   {countEdge, 3, "COVERING INDEX messages_history (chat=? AND created_us>? AND created_us<?)"},
		"moment": {readMoment, 7, "messages_history (chat=? AND created_us=? AND rowid<?)"},
		"window": {readWindow, 7, "messages_history (chat=? AND created_us>? AND created_us<?)"},
	} {
		var steps []string
		err := s.reader.each(t.Context(), "EXPLAIN QUERY PLAN "+query.text, make([]any, query.args), func(rows *sql.Rows) error {
			var id, parent, unused int
			var step string
			err := rows.Scan(&id, &parent, &unused, &step)
			steps = append(steps, step)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(steps[0], query.want) {
			t.Errorf("%s: first step %q, want %q", name, steps[0], query.want)
		}
		for _, step := range steps {
			if !strings.HasPrefix(step, "SEARCH ") {
				t.Errorf("%s: %q is no search by index", name, step)
			}
		}
	}
}
