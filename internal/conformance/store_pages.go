package conformance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func january(year, day int) time.Time {
	return time.Date(year, time.January, day, 0, 0, 0, 0, time.UTC)
}

func pageWalk(t *testing.T, s S) {
	start := january(2024, 15)
	for i := range 25 {
		mustSave(t, s, received(chat1, fmt.Sprintf("msg%02d", i), start.Add(time.Duration(i)*time.Hour).Format(time.RFC3339)))
	}
	var got [][]string
	q := store.Query{Chat: chat1, Limit: 10}
	for {
		page := mustPage(t, s, q)
		if page.Total != 25 {
			t.Errorf("total %d, want 25 on every page", page.Total)
		}
		got = append(got, []string{page.Entries[0].ID, page.Entries[len(page.Entries)-1].ID})
		if page.Next.IsZero() {
			break
		}
		q.Before = page.Next
	}
	want := [][]string{{"msg15", "msg24"}, {"msg05", "msg14"}, {"msg00", "msg04"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// modelled is a message as the naive model keeps it.
type modelled struct {
	id string
	us int64
}

// pageModel writes the same messages to the store and to a sorted slice, and asks both the same random questions.
func pageModel(t *testing.T, s S) {
	const seed = 20240115
	rnd := rand.New(rand.NewPCG(seed, 1))
	chats := []messages.Chat{chat1, likeChat1()[0], likeChat1()[2]}
	model := map[messages.Chat][]modelled{}
	for i := range 600 {
		chat := chats[rnd.IntN(len(chats))]
		at := randomTime(rnd)
		e := received(chat, fmt.Sprint("msg", i), at.Format(time.RFC3339Nano))
		mustSave(t, s, e)
		model[chat] = append(model[chat], modelled{e.Message.ID, at.UnixMicro()})
	}
	for _, all := range model { // stable: ties stay in the order of arrival
		sort.SliceStable(all, func(i, j int) bool { return all[i].us < all[j].us })
	}
	for i := range 300 {
		q := store.Query{Chat: chats[rnd.IntN(len(chats))], Limit: 1 + rnd.IntN(100)}
		if rnd.IntN(3) > 0 {
			q.From = randomTime(rnd)
		}
		if rnd.IntN(3) > 0 {
			q.To = randomTime(rnd)
		}
		var window []modelled
		for _, m := range model[q.Chat] {
			if (q.From.IsZero() || m.us >= q.From.UnixMicro()) && (q.To.IsZero() || m.us <= q.To.UnixMicro()) {
				window = append(window, m)
			}
		}
		if !agrees(t, s, q, window) {
			t.Fatalf("seed %d, question %d: from %v to %v limit %d", seed, i, q.From, q.To, q.Limit)
		}
	}
}

// agrees walks all pages of the query and compares them with the newest rest of the window, page by page.
func agrees(t *testing.T, s S, q store.Query, window []modelled) bool {
	total := int64(len(window))
	for {
		page := mustPage(t, s, q)
		first := max(0, len(window)-q.Limit)
		want := []string{}
		for _, m := range window[first:] {
			want = append(want, m.id)
		}
		if diff := cmp.Diff(want, ids(page.Entries)); diff != "" || page.Total != total || page.Next.IsZero() != (first == 0) {
			t.Errorf("%s\ntotal %d want %d, more %v want %v", diff, page.Total, total, !page.Next.IsZero(), first != 0)
			return false
		}
		if first == 0 {
			return true
		}
		window, q.Before = window[:first], page.Next
	}
}

// randomTime falls on few days around 1970, often at the very ends of a day, often equal to another one.
func randomTime(rnd *rand.Rand) time.Time {
	at := january(1970, 1).AddDate(0, 0, rnd.IntN(9)-4)
	switch rnd.IntN(5) {
	case 0: // the first moment of a day
	case 1:
		at = at.Add(24*time.Hour - time.Microsecond)
	case 2:
		at = at.Add(time.Duration(rnd.IntN(24)) * time.Hour)
	default:
		at = at.Add(time.Duration(rnd.Int64N(int64(24 * time.Hour)))).Truncate(time.Microsecond)
	}
	return at.In(time.FixedZone("", 60*60*(rnd.IntN(27)-12)))
}

func pageTies(t *testing.T, s S) {
	const at = "2024-01-15T10:30:00Z"
	want := []string{}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(20) {
		id := fmt.Sprint("msg", i)
		mustSave(t, s, received(chat1, id, at))
		want = append(want, id)
	}
	moment, _ := time.Parse(time.RFC3339, at)
	var got []string
	q := store.Query{Chat: chat1, From: moment, To: moment, Limit: 3}
	for {
		page := mustPage(t, s, q)
		if page.Total != 20 {
			t.Fatalf("total %d, want 20", page.Total)
		}
		got = append(ids(page.Entries), got...)
		if page.Next.IsZero() {
			break
		}
		q.Before = page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func pageFarDates(t *testing.T, s S) {
	stamps := []string{
		"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
		"2024-02-29T12:00:00Z", "9999-12-31T23:59:59.999999999Z",
	}
	var at []time.Time
	for i, stamp := range stamps {
		mustSave(t, s, received(chat1, fmt.Sprint(i), stamp))
		moment, err := messages.ParseTime(stamp)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, moment)
	}
	for from := range at {
		for to := from; to < len(at); to++ {
			q := store.Query{Chat: chat1, From: at[from], To: at[to], Limit: 10}
			if q.From.IsZero() || q.To.IsZero() {
				continue // the zero time, which is year 1, means an open end
			}
			if page := mustPage(t, s, q); page.Total != int64(to-from+1) || len(page.Entries) != to-from+1 {
				t.Errorf("%s to %s: total %d, %d entries, want %d", stamps[from], stamps[to], page.Total, len(page.Entries), to-from+1)
			}
		}
	}
	expectCount(t, s, chat1, len(stamps))
}

func pageOddQueries(t *testing.T, s S) {
	if _, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: 1}); !errors.Is(err, store.ErrUnknownChat) {
		t.Errorf("unknown chat: %v, want ErrUnknownChat", err)
	}
	for i := range 3 {
		mustSave(t, s, received(chat1, fmt.Sprint("msg", i), fmt.Sprintf("2024-01-15T10:30:0%dZ", i)))
	}
	from, to := january(2024, 16), january(2024, 15)
	us := func(sec int) int64 { return time.Date(2024, time.January, 15, 10, 30, sec, 0, time.UTC).UnixMicro() }
	for name, tt := range map[string]struct {
		q     store.Query
		total int64
		ids   []string
	}{
		"from after to":                  {store.Query{From: from, To: to}, 0, []string{}},
		"from after to on one day":       {store.Query{From: to.Add(2), To: to.Add(-time.Hour)}, 0, []string{}},
		"window without messages":        {store.Query{From: from}, 0, []string{}},
		"cursor newer than the window":   {store.Query{To: from, Before: store.Cursor{CreatedAt: 1 << 60, Arrival: 1}}, 3, []string{"msg0", "msg1", "msg2"}},
		"cursor older than the window":   {store.Query{From: to, Before: store.Cursor{CreatedAt: 1, Arrival: 1}}, 3, []string{}},
		"cursor before all time":         {store.Query{Before: store.Cursor{CreatedAt: math.MinInt64, Arrival: 1}}, 3, []string{}},
		"cursor after all time":          {store.Query{Before: store.Cursor{CreatedAt: math.MaxInt64, Arrival: math.MaxInt64}}, 3, []string{"msg0", "msg1", "msg2"}},
		"cursor that names no message":   {store.Query{Before: store.Cursor{CreatedAt: us(1) + 1, Arrival: 0}}, 3, []string{"msg0", "msg1"}},
		"cursor before its own arrivals": {store.Query{Before: store.Cursor{CreatedAt: us(1), Arrival: -1}}, 3, []string{"msg0"}},
	} {
		tt.q.Chat, tt.q.Limit = chat1, 10
		page := mustPage(t, s, tt.q)
		if diff := cmp.Diff(tt.ids, ids(page.Entries)); diff != "" || page.Total != tt.total || !page.Next.IsZero() {
			t.Errorf("%s: %s total %d want %d, next %v", name, diff, page.Total, tt.total, page.Next)
		}
	}
	for _, limit := range []int{0, -1} {
		if _, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: limit}); err == nil || messages.IsUnavailable(err) {
			t.Errorf("limit %d: %v, want an error that is no outage", limit, err)
		}
	}
}
