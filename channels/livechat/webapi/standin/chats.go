package standin

import (
	"fmt"
	"slices"
	"time"
)

// cursor is what a page id stands for.
type cursor struct {
	method string
	chatID string
	rows   []map[string]any
	limit  int
}

// listing is what the methods that list take.
type listing struct {
	ChatID  string `json:"chat_id"`
	Filters *struct {
		From    string `json:"from"`
		Active  *bool  `json:"active"`
		Without *bool  `json:"include_chats_without_threads"`
	} `json:"filters"`
	Limit     int    `json:"limit"`
	SortOrder string `json:"sort_order"`
	PageID    string `json:"page_id"`
}

// list answers one page. rows are oldest first.
func (s *Server) list(method, key string, in listing, byDefault int, rows func() []map[string]any) (any, *problem) {
	var c cursor
	switch {
	case in.PageID != "" && (in.Filters != nil || in.Limit != 0 || in.SortOrder != ""):
		return nil, refuse("validation", "`page_id` cannot be used with `filters`, `limit` or `sort_order`")
	case in.PageID != "":
		c = s.pages[in.PageID]
		if c.method != method || c.chatID != in.ChatID {
			return nil, refuse("validation", "`page_id` is not valid")
		}
	case in.Limit < 0 || in.Limit > 100:
		return nil, refuse("validation", "`limit` must be between 1 and 100")
	case in.SortOrder != "" && in.SortOrder != "asc" && in.SortOrder != "desc":
		return nil, refuse("validation", "`sort_order` must be one of: asc, desc")
	default:
		c = cursor{method: method, chatID: in.ChatID, rows: rows(), limit: in.Limit}
		if c.limit == 0 {
			c.limit = byDefault
		}
		if in.SortOrder != "asc" {
			slices.Reverse(c.rows)
		}
	}
	n := min(c.limit, len(c.rows))
	answer := map[string]any{key: c.rows[:n]}
	if c.rows = c.rows[n:]; len(c.rows) > 0 {
		id := fmt.Sprintf("page%d", len(s.pages)+1)
		s.pages[id] = c
		answer["next_page_id"] = id
	}
	return answer, nil
}

func (s *Server) chat(id string) (Chat, *problem) {
	i := slices.IndexFunc(s.chats, func(c Chat) bool { return c.ID == id })
	if i < 0 {
		return Chat{}, refuse("not_found", "Chat not found")
	}
	return s.chats[i], nil
}

func (s *Server) getChat(body []byte) (any, *problem) {
	var in struct {
		ChatID   string `json:"chat_id"`
		ThreadID string `json:"thread_id"`
	}
	if p := read(body, &in); p != nil {
		return nil, p
	}
	c, p := s.chat(in.ChatID)
	if p != nil {
		return nil, p
	}
	if len(c.Threads) == 0 {
		return c.around(nil), nil
	}
	return c.around(c.Threads[len(c.Threads)-1].json()), nil
}

func (s *Server) listThreads(body []byte) (any, *problem) {
	var in listing
	if p := read(body, &in); p != nil {
		return nil, p
	}
	c, p := s.chat(in.ChatID)
	if p != nil {
		return nil, p
	}
	return s.list("list_threads", "threads", in, 3, func() (rows []map[string]any) {
		for _, t := range c.Threads {
			rows = append(rows, t.json())
		}
		return rows
	})
}

// listArchives gives closed threads only: the documentation does not promise the others.
func (s *Server) listArchives(body []byte) (any, *problem) {
	var in listing
	if p := read(body, &in); p != nil {
		return nil, p
	}
	var from time.Time
	if in.Filters != nil && in.Filters.From != "" {
		var err error
		if from, err = time.Parse("2006-01-02T15:04:05.000000Z07:00", in.Filters.From); err != nil {
			return nil, refuse("validation", "`filters.from` is not in the format of RFC 3339 with microseconds")
		}
	}
	return s.list("list_archives", "chats", in, 10, func() []map[string]any {
		type row struct {
			chat   Chat
			thread Thread
		}
		var rows []row
		for _, c := range s.chats {
			for _, t := range c.Threads {
				if !t.Active && !t.CreatedAt.Before(from) {
					rows = append(rows, row{c, t})
				}
			}
		}
		slices.SortStableFunc(rows, func(a, b row) int { return a.thread.CreatedAt.Compare(b.thread.CreatedAt) })
		var out []map[string]any
		for _, r := range rows {
			out = append(out, r.chat.around(r.thread.json()))
		}
		return out
	})
}

func (s *Server) listChats(body []byte) (any, *problem) {
	var in listing
	if p := read(body, &in); p != nil {
		return nil, p
	}
	return s.list("list_chats", "chats_summary", in, 10, func() (rows []map[string]any) {
		for _, c := range s.chats {
			active := len(c.Threads) > 0 && c.Threads[len(c.Threads)-1].Active
			if in.Filters == nil || in.Filters.Active == nil || *in.Filters.Active == active {
				rows = append(rows, map[string]any{"id": c.ID, "users": c.Users})
			}
		}
		return rows
	})
}

// around is the chat object with one thread.
func (c Chat) around(thread map[string]any) map[string]any {
	whole := map[string]any{
		"id": c.ID, "users": c.Users, "properties": map[string]any{}, "access": map[string]any{"group_ids": []int{0}}, "is_followed": false,
	}
	if thread != nil {
		whole["thread"] = thread
	}
	return whole
}

func (t Thread) json() map[string]any {
	users := []any{}
	for _, e := range t.Events {
		if id, ok := e["author_id"]; ok && !slices.Contains(users, id) {
			users = append(users, id)
		}
	}
	whole := map[string]any{
		"id": t.ID, "active": t.Active, "created_at": t.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000Z07:00"),
		"user_ids": users, "events": t.Events, "access": map[string]any{"group_ids": []int{0}},
	}
	if t.Closed != "" {
		whole["restricted_access"] = t.Closed
		delete(whole, "events")
	}
	return whole
}
