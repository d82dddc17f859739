package sqlite

import (
	"database/sql"
	"strings"
	"testing"
)

// Nothing must cost more in a longer chat: each step of each query is a search by index, and nothing is sorted.
func TestStatementsSearchByIndexOnly(t *testing.T) {
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

		"people":    {readPeople, 1, "(chat=?)"},
		"changes":   {readChanges, 1, "conversation_changes_chat (chat=?)"},
		"person":    {findPerson, 4, "(chat=? AND person_id=?)"},
		"note":      {findNote, 4, "(chat=? AND message_id=?)"},
		"words":     {findWords, 4, "(chat=? AND message_id=?)"},
		"former":    {findEvent, 1, "(event_id=?)"},
		"edited":    {addEdit, 7, "CONSTANT ROW"},
		"changed":   {addChange, 4, "CONSTANT ROW"},
		"adopt":     {adopt, 14, "(chat=? AND message_id=?)"},
		"bury":      {bury, 2, "(chat=? AND message_id=?)"},
		"edit":      {setEdit, 8, "(chat=? AND message_id=?)"},
		"author":    {setAuthor, 7, "(chat=? AND message_id=?)"},
		"notes":     {setVisibility, 5, "(chat=? AND message_id=?)"},
		"rest":      {tellRest, 6, "(chat=? AND message_id=?)"},
		"retention": {findOldest, 3, "chats_oldest (org=? AND livechat=? AND oldest_us<?)"},
		"batch":     {findLast, 3, "COVERING INDEX messages_history (chat=? AND created_us<?)"},
		"gone":      {dropMessages, 3, "messages_history (chat=? AND created_us<?)"},
		"receipts":  {dropReceipts, 3, "(chat=? AND message_id=?)"},
		"times":     {dropReceiptTimes, 3, "(chat=? AND message_id=?)"},
		"edits":     {dropEdits, 3, "(chat=? AND message_id=?)"},
		"graves":    {dropTombstones, 3, "(chat=? AND message_id=?)"},
		"uploads":   {dropUploads, 6, "(id=?)"},
		"files":     {findFiles, 3, "messages_history (chat=? AND created_us<?)"},
		"uncount":   {uncountInDays, 5, "(chat=? AND day<?)"},
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
			if !strings.HasPrefix(step, "SEARCH ") && step != "SCAN CONSTANT ROW" &&
				!strings.Contains(step, " SUBQUERY ") { // whose own steps follow
				t.Errorf("%s: %q is no search by index", name, step)
			}
		}
	}
}
