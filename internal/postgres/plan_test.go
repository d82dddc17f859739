package postgres

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/livepipe/livepipe/internal/store"
)

// statements are all that the store sends, with the number of their arguments and the index that each step goes by.
var statements = map[string]struct {
	sql  string
	args int
	by   []string
}{
	"addChat":          {addChat, 4, []string{"chats_org_livechat_chat_id_key"}},
	"lockChat":         {lockChat, 3, []string{"chats_org_livechat_chat_id_key"}},
	"addMessage":       {addMessage, 28, []string{"chats_org_livechat_chat_id_key", "chats_pkey", "messages_event_id_key"}},
	"adopt":            {adopt, 19, []string{"chats_org_livechat_chat_id_key", "messages_chat_message_id_key", "message_edits_pkey", "message_tombstones_pkey", "messages_event_id_key"}},
	"bury":             {bury, 4, []string{"chats_org_livechat_chat_id_key", "message_tombstones_pkey", "messages_chat_message_id_key"}},
	"saveEdit":         {saveEdit, 28, []string{"chats_org_livechat_chat_id_key", "chats_pkey", "message_edits_pkey", "message_edits_pkey", "messages_chat_message_id_key"}},
	"tellRest":         {tellRest, 8, []string{"chats_org_livechat_chat_id_key", "messages_chat_message_id_key"}},
	"addTombstone":     {addTombstone, 6, []string{"chats_org_livechat_chat_id_key"}},
	"dropMedia":        {dropMedia, 4, []string{"chats_org_livechat_chat_id_key", "messages_chat_message_id_key", "media_pkey"}},
	"findWords":        {findWords, 4, []string{"chats_org_livechat_chat_id_key", "messages_chat_message_id_key"}},
	"saveChange":       {saveChange, 13, []string{"chats_org_livechat_chat_id_key", "chats_pkey", "conversation_changes_event_id_key"}},
	"raiseSeen":        {raiseSeen, 6, []string{"chats_org_livechat_chat_id_key"}},
	"findKnownChat":    {findKnownChat, 3, []string{"chats_org_livechat_chat_id_key"}},
	"readPeople":       {readPeople, 3, []string{"chats_org_livechat_chat_id_key", "chat_people_pkey"}},
	"readChanges":      {readChanges, 3, []string{"chats_org_livechat_chat_id_key", "conversation_changes_pkey"}},
	"findOldest":       {findOldest, 4, []string{"chats_oldest"}},
	"findOlder":        {findOlder, 3, []string{"messages_pkey"}},
	"lockNumber":       {lockNumber, 1, []string{"chats_pkey"}},
	"dropMessages":     {dropMessages, 4, []string{"messages_chat_message_id_key", "chat_days_pkey", "chats_pkey", "media_pkey"}},
	"dropDays":         {dropDays, 2, []string{"chat_days_pkey"}},
	"dropReceipts":     {dropReceipts, 2, []string{"receipts_pkey"}},
	"dropReceiptTimes": {dropReceiptTimes, 2, []string{"receipt_times_pkey"}},
	"dropEdits":        {dropEdits, 2, []string{"message_edits_pkey"}},
	"dropTombstones":   {dropTombstones, 2, []string{"message_tombstones_pkey"}},
	"dropUploads":      {dropUploads, 5, []string{"media_pkey", "messages_chat_message_id_key"}},
	"noteOldest":       {noteOldest, 1, []string{"chats_pkey", "messages_pkey"}},
	"forgetChat": {forgetChat, 2, []string{
		"chats_pkey", "chat_people_pkey", "conversation_changes_pkey", "chat_seen_pkey",
		"receipts_pkey", "receipt_times_pkey", "message_edits_pkey", "message_tombstones_pkey",
	}},
	"raiseStatus":       {raiseStatus, 7, []string{"chats_org_livechat_chat_id_key"}},
	"setError":          {setError, 6, []string{"chats_org_livechat_chat_id_key", "receipts_pkey"}},
	"findStatus":        {findStatus, 4, []string{"chats_org_livechat_chat_id_key", "receipts_pkey"}},
	"addTimes":          {addTimes, 6, []string{"chats_org_livechat_chat_id_key"}},
	"readReceipt":       {readReceipt, 4, []string{"chats_org_livechat_chat_id_key", "receipts_pkey", "receipt_times_pkey"}},
	"countWindow":       {countWindow, 10, []string{"chats_org_livechat_chat_id_key", "chat_days_pkey", "messages_pkey", "messages_pkey"}},
	"readEntries":       {readEntries, 7, []string{"chats_org_livechat_chat_id_key", "messages_pkey", "chat_people_pkey", "receipts_pkey", "chat_seen_pkey", "media_pkey"}},
	"findMessage":       {findMessage, 4, []string{"chats_org_livechat_chat_id_key", "messages_chat_message_id_key"}},
	"findPerson":        {findPerson, 4, []string{"chats_org_livechat_chat_id_key", "chat_people_pkey"}},
	"findNote":          {findNote, 4, []string{"chats_org_livechat_chat_id_key", "messages_chat_message_id_key"}},
	"findVisitor":       {findVisitor, 3, []string{"visitors_pkey"}},
	"findMedia":         {findMedia, 1, []string{"media_pkey"}},
	"findDispatch":      {findDispatch, 1, []string{"dispatches_pkey"}},
	"removeAccount":     {removeAccount, 2, []string{"accounts_pkey"}},
	"removeCredential":  {removeCredential, 3, []string{"account_credentials_pkey"}},
	"learnOrganization": {learnOrganization, 3, []string{"accounts_pkey"}},
	"oneAccount":        {oneAccount, 2, []string{"accounts_pkey", "account_credentials_pkey"}},
}

// Nothing costs more in a longer chat: each step of each statement is a search by index, no set of rows is sorted, and
// that holds with statistics, without any, and with those of a table that was empty when they were made. A bitmap is such
// a search too where every row that it finds is wanted; a page of messages is a walk that stops.
func TestStatementsSearchByIndexOnly(t *testing.T) {
	s := openNew(t)
	save(t, s, "msg1")
	hold := func(t *testing.T) {
		for name, st := range statements {
			steps := explain(t, s, st.sql, st.args)
			if bad := regexp.MustCompile(`Seq Scan|Bitmap Heap Scan on messages\b|BitmapOr|BitmapAnd|Hash|Merge Join|Materialize`).FindString(steps); bad != "" {
				t.Errorf("%s: %s in\n%s", name, bad, steps)
			}
			if strings.Contains(steps, "Sort") && name != "oneAccount" { // a handful of credentials
				t.Errorf("%s sorts:\n%s", name, steps)
			}
			var by []string
			for _, m := range regexp.MustCompile(`(?:Index (?:Only )?Scan(?: Backward)? using|Bitmap Index Scan on) (\w+)`).FindAllStringSubmatch(steps, -1) {
				by = append(by, m[1])
			}
			slices.Sort(by)
			want := slices.Sorted(slices.Values(st.by))
			if !slices.Equal(by, want) {
				t.Errorf("%s goes by %v, not by %v:\n%s", name, by, want, steps)
			}
		}
		// The whole place is in the condition of the walk, so that it starts there and reads nothing to throw it away.
		entries := explain(t, s, readEntries, 7)
		if !strings.Contains(entries, "(ROW(created_us, arrival) < ROW($5, $6))") || !strings.Contains(entries, "Backward using messages_pkey") ||
			strings.Contains(entries, "Filter: (ROW") {
			t.Errorf("the walk does not start at its place:\n%s", entries)
		}
	}
	t.Run("no statistics", hold)
	execute(t, dsnOf(s), `ANALYZE`)
	t.Run("statistics of nothing", hold)
	fill(t, s, 20_000, 100)
	t.Run("statistics of a smaller chat", hold)
	execute(t, dsnOf(s), `ANALYZE`)
	t.Run("statistics", hold)
}

func explain(t *testing.T, s *Store, sql string, args int) string {
	t.Helper()
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "PREPARE p AS "+sql); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(t.Context(), "DEALLOCATE p")
	nulls := strings.TrimSuffix(strings.Repeat("NULL,", args), ",")
	rows, err := conn.Query(t.Context(), "EXPLAIN (COSTS OFF) EXECUTE p("+nulls+")")
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for rows.Next() {
		var step string
		if err := rows.Scan(&step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "\n")
}

func dsnOf(s *Store) string { return s.pool.Config().ConnString() }

// A statement that is not in the table of plans would escape the test above.
func TestEveryStatementHasAPlan(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	begins := regexp.MustCompile("(?m)^\\s*(?:const )?(\\w+)\\s+=\\s*(?:listAccounts|`\\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH))")
	// One row of one table, or all of a table that a person made.
	small := map[string]bool{
		"note": true, "noteEver": true, "anyEver": true, "serverFacts": true, "hasVersions": true, "newestVersion": true, "allAccounts": true, "accountsOf": true,
		"addMedia": true, "addDispatch": true, "saveAccount": true, "saveCredential": true,
		"countInChat": true, "listAccounts": true, // parts of others
	}
	found := 0
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range begins.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, held := statements[m[1]]; !held && !small[m[1]] {
				t.Errorf("%s in %s is in neither table", m[1], path)
			}
		}
	}
	if want := len(statements) + len(small); found != want {
		t.Errorf("%d statements found, the tables have %d", found, want)
	}
}

// The work of a page, in blocks read, is the same in a chat a hundred times longer.
func TestPageReadsNoMoreInALongerChat(t *testing.T) {
	short, long := openNew(t), openNew(t)
	fill(t, short, 10_000, 100)
	fill(t, long, 1_000_000, 100)
	for name, q := range map[string]store.Query{
		"newest": {Chat: chat1, Limit: 50},
		"oldest": {Chat: chat1, Limit: 50, Before: store.Cursor{CreatedAt: fillStart + 60, Arrival: 1 << 40}},
		"days":   {Chat: chat1, Limit: 50, From: day(20), To: day(80).Add(-1)},
	} {
		a, b := blocks(t, short, q), blocks(t, long, q)
		t.Logf("%s: %d blocks in 10^4 messages, %d in 10^6", name, a, b)
		if b > a+20 { // an index is a level or two higher
			t.Errorf("%s: %d blocks in the longer chat, %d in the shorter", name, b, a)
		}
	}
}
