package webapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livepipe/livepipe/channels/livechat/webapi/standin"
)

var day = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// conversation has n threads an hour apart, with two events each; the last one may go on.
func conversation(id string, n int, active bool) standin.Chat {
	c := standin.Chat{ID: id, Users: []map[string]any{{"id": "visitor", "type": "customer"}}}
	for i := range n {
		at := day.Add(time.Duration(i) * time.Hour)
		thread := standin.Thread{ID: fmt.Sprintf("%s_T%d", id, i), Active: active && i == n-1, CreatedAt: at}
		for e := range 2 {
			thread.Events = append(thread.Events, map[string]any{
				"id": fmt.Sprintf("%s_%d", thread.ID, e), "type": "message", "text": "hello", "author_id": "visitor",
				"created_at": at.Add(time.Duration(e) * time.Minute).Format(time.RFC3339Nano),
			})
		}
		c.Threads = append(c.Threads, thread)
	}
	return c
}

// TestThreadsOfAChat come oldest first over several pages, each within its chat.
func TestThreadsOfAChat(t *testing.T) {
	server, client, _ := open(t, quick)
	server.Add(conversation("A", 60, true))
	chat, err := client.Chat(t.Context(), "A")
	if err != nil || chat.ThreadID != "A_T59" || !chat.Active {
		t.Fatalf("chat %+v, %v", chat, err)
	}
	var ids []string
	for threads, err := range client.Threads(t.Context(), chat) {
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			ids = append(ids, thread.ThreadID)
			if !strings.Contains(string(thread.JSON), `"customer"`) || !strings.Contains(string(thread.JSON), thread.ThreadID+"_1") {
				t.Errorf("%s has not its chat around it: %s", thread.ThreadID, thread.JSON)
			}
		}
	}
	if len(ids) != 60 || ids[0] != "A_T0" || ids[59] != "A_T59" {
		t.Errorf("%d threads: %v", len(ids), ids)
	}
	if pages := len(server.Calls()) - 1; pages != 3 {
		t.Errorf("%d calls of list_threads, want 3", pages)
	}
}

// TestArchives come oldest first, from the moment on.
func TestArchives(t *testing.T) {
	server, client, _ := open(t, quick)
	server.Add(conversation("A", 30, false), conversation("B", 2, true))
	var ids []string
	var last time.Time
	for threads, err := range client.Archives(t.Context(), day.Add(time.Hour).In(time.FixedZone("", 3600))) {
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			ids = append(ids, thread.ThreadID)
			last = thread.LastEvent
		}
	}
	if len(ids) != 29 || ids[0] != "A_T1" || ids[28] != "A_T29" {
		t.Errorf("%v", ids)
	}
	if want := day.Add(29*time.Hour + time.Minute); !last.Equal(want) {
		t.Errorf("the last event was at %s, want %s", last, want)
	}
}

// TestActiveChats are told by their ids, over several pages.
func TestActiveChats(t *testing.T) {
	server, client, _ := open(t, quick)
	for i := range 120 {
		server.Add(conversation(fmt.Sprintf("A%03d", i), 1, true))
	}
	server.Add(conversation("B", 1, false))
	var ids []string
	for page, err := range client.ActiveChats(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, page...)
	}
	if len(ids) != 120 || !slices.IsSorted(ids) || slices.Contains(ids, "B") {
		t.Errorf("%d chats: %v", len(ids), ids)
	}
}

// TestClosedThreads are told from those without events.
func TestClosedThreads(t *testing.T) {
	server, client, _ := open(t, quick)
	server.Add(standin.Chat{ID: "A", Threads: []standin.Thread{{ID: "A1", CreatedAt: day, Closed: "chat in another group"}, {ID: "A2", CreatedAt: day}}})
	var closed []bool
	for threads, err := range client.Archives(t.Context(), day) {
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			closed = append(closed, thread.Closed)
		}
	}
	if !slices.Equal(closed, []bool{true, false}) {
		t.Errorf("closed %v", closed)
	}
}

// TestPagesMeetTheLimit: a page in the middle that LiveChat is too busy for is asked for again, and none is lost.
func TestPagesMeetTheLimit(t *testing.T) {
	server, client, pauses := open(t, quick)
	server.Add(conversation("A", 60, false))
	n := 0
	for threads, err := range client.Archives(t.Context(), day) {
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			server.Break("list_archives", standin.Fault{Status: 429, Type: "too_many_requests"})
		}
		n += len(threads)
	}
	if n != 60 || len(*pauses) != 1 {
		t.Errorf("%d threads after %d pauses", n, len(*pauses))
	}
}

// TestUnknownChat is told as it is.
func TestUnknownChat(t *testing.T) {
	_, client, _ := open(t, quick)
	if _, err := client.Chat(t.Context(), "NOPE"); err == nil || !strings.Contains(err.Error(), "nothing with this id") {
		t.Errorf("error %v", err)
	}
}
