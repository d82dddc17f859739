package webapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Thread is one thread with its chat around it: JSON is a chat object with one "thread", as in incoming_chat and
// get_chat, and the rest is taken from there.
type Thread struct {
	ChatID    string
	ThreadID  string
	Active    bool
	LastEvent time.Time // of the newest event, else the thread's own creation; zero when neither can be read
	Closed    bool      // to the token's owner, who is not told the events
	JSON      jsontext.Value
}

const (
	agent = "agent"
	// pageSize is well below LiveChat's 100: a thread comes with all of its events, and a call must end within 15 s.
	pageSize = 25
	// summaries are small.
	summaryPageSize = 100
)

// rfc3339Micro is the one format that the filters take.
const rfc3339Micro = "2006-01-02T15:04:05.000000Z07:00"

// request is what the methods that list take. With a PageID nothing else may be sent but the chat.
type request struct {
	ChatID    string         `json:"chat_id,omitempty"`
	Filters   map[string]any `json:"filters,omitempty"`
	Limit     int            `json:"limit,omitzero"`
	SortOrder string         `json:"sort_order,omitempty"`
	PageID    string         `json:"page_id,omitempty"`
}

// page is what they answer.
type page struct {
	Chats    []jsontext.Value `json:"chats"`         // list_archives
	Threads  []jsontext.Value `json:"threads"`       // list_threads
	Summary  []summary        `json:"chats_summary"` // list_chats
	NextPage string           `json:"next_page_id"`
}

type summary struct {
	ID string `json:"id"`
}

// Chat gives a chat with its newest thread.
func (c *Client) Chat(ctx context.Context, chatID string) (Thread, error) {
	var chat jsontext.Value
	if err := c.call(ctx, agent, "get_chat", request{ChatID: chatID}, &chat); err != nil {
		return Thread{}, err
	}
	return readThread("get_chat", chat)
}

// Threads gives the threads of a chat, oldest first, page by page. The people and properties around each are chat's.
func (c *Client) Threads(ctx context.Context, chat Thread) iter.Seq2[[]Thread, error] {
	first := request{ChatID: chat.ChatID, Limit: pageSize, SortOrder: "asc"}
	return each(c.pages(ctx, "list_threads", first), func(p page) ([]Thread, error) {
		threads := make([]Thread, len(p.Threads))
		for i, raw := range p.Threads {
			whole, err := withThread(chat.JSON, raw)
			if err == nil {
				threads[i], err = readThread("list_threads", whole)
			}
			if err != nil {
				return nil, err
			}
		}
		return threads, nil
	})
}

// Archives gives the threads since a moment, oldest first, page by page.
func (c *Client) Archives(ctx context.Context, since time.Time) iter.Seq2[[]Thread, error] {
	first := request{Filters: map[string]any{"from": since.UTC().Format(rfc3339Micro)}, Limit: pageSize, SortOrder: "asc"}
	return each(c.pages(ctx, "list_archives", first), func(p page) ([]Thread, error) {
		threads := make([]Thread, len(p.Chats))
		for i, raw := range p.Chats {
			var err error
			if threads[i], err = readThread("list_archives", raw); err != nil {
				return nil, err
			}
		}
		return threads, nil
	})
}

// ActiveChats gives the ids of the chats that go on now, page by page.
func (c *Client) ActiveChats(ctx context.Context) iter.Seq2[[]string, error] {
	first := request{
		Filters: map[string]any{"active": true, "include_chats_without_threads": false},
		Limit:   summaryPageSize, SortOrder: "asc",
	}
	return each(c.pages(ctx, "list_chats", first), func(p page) ([]string, error) {
		ids := make([]string, len(p.Summary))
		for i, s := range p.Summary {
			if ids[i] = s.ID; s.ID == "" {
				return nil, errors.New("LiveChat answered list_chats with a chat without an id")
			}
		}
		return ids, nil
	})
}

// pages walks from page to page.
func (c *Client) pages(ctx context.Context, method string, first request) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		for next := first; ; {
			var p page
			if err := c.call(ctx, agent, method, next, &p); err != nil {
				yield(page{}, err)
				return
			}
			if !yield(p, nil) || p.NextPage == "" {
				return
			}
			if p.NextPage == next.PageID {
				yield(page{}, fmt.Errorf("LiveChat answered %s with the same page again", method))
				return
			}
			next = request{ChatID: first.ChatID, PageID: p.NextPage}
		}
	}
}

// each turns every page into what the caller wants.
func each[T any](pages iter.Seq2[page, error], read func(page) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for p, err := range pages {
			var got T
			if err == nil {
				got, err = read(p)
			}
			if !yield(got, err) || err != nil {
				return
			}
		}
	}
}

// tolerant reads and writes what people wrote as it is; the decoder of chats repairs it.
func tolerant() json.Options {
	return json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// withThread puts another thread into a chat.
func withThread(chat, thread jsontext.Value) (jsontext.Value, error) {
	var members struct {
		ID         string         `json:"id"`
		Users      jsontext.Value `json:"users,omitzero"`
		Properties jsontext.Value `json:"properties,omitzero"`
		Access     jsontext.Value `json:"access,omitzero"`
		Thread     jsontext.Value `json:"thread,omitzero"`
	}
	if err := json.Unmarshal(chat, &members, tolerant()); err != nil {
		return nil, errors.New("LiveChat answered get_chat with something that is no chat")
	}
	members.Thread = thread
	whole, err := json.Marshal(members, tolerant())
	if err != nil {
		return nil, errors.New("LiveChat answered list_threads with something that is no thread")
	}
	return whole, nil
}

// readThread takes out what the walk needs. Only ids are wanted: one odd time must not stop it.
func readThread(method string, chat jsontext.Value) (Thread, error) {
	var c struct {
		ID     string `json:"id"`
		Thread struct {
			ID        string         `json:"id"`
			Active    bool           `json:"active"`
			CreatedAt jsontext.Value `json:"created_at"`
			Closed    jsontext.Value `json:"restricted_access"` // the reason, in older versions true
			Events    []struct {
				CreatedAt jsontext.Value `json:"created_at"`
			} `json:"events"`
		} `json:"thread"`
	}
	if err := json.Unmarshal(chat, &c, tolerant()); err != nil || c.ID == "" {
		return Thread{}, fmt.Errorf("LiveChat answered %s with something that is no chat", method)
	}
	t := Thread{ChatID: c.ID, ThreadID: c.Thread.ID, Active: c.Thread.Active, JSON: chat.Clone()}
	switch string(c.Thread.Closed) {
	case "", "null", "false", `""`:
	default:
		t.Closed = true
	}
	t.LastEvent = instant(c.Thread.CreatedAt)
	for _, e := range c.Thread.Events {
		if at := instant(e.CreatedAt); at.After(t.LastEvent) {
			t.LastEvent = at
		}
	}
	return t, nil
}

func instant(v jsontext.Value) time.Time {
	var text string
	if json.Unmarshal(v, &text) != nil {
		return time.Time{}
	}
	t, _ := time.Parse(time.RFC3339Nano, text) // zero when it is no time
	return t
}
