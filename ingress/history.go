package ingress

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// The bounds of "limit".
const (
	defaultLimit = 50
	maxLimit     = 100
	// maxChatID is the bound that channels put on ids, in bytes.
	maxChatID = 256
)

// historyBody narrows a fetch to a window of time, both ends included.
type historyBody struct {
	From *string `json:"from_timestamp"`
	To   *string `json:"to_timestamp"`
}

// fetch answers one page of a chat's history.
func (e *endpoint) fetch(q *request) error {
	query, err := historyQuery(q)
	if err != nil {
		return err
	}
	page, err := e.page(q.r.Context(), query)
	if err != nil {
		return err
	}
	reply := historyReply{
		ChatID:   query.Chat.ChatID,
		Messages: make([]historyMessage, len(page.Entries)),
		Total:    page.Total, HasMore: !page.Next.IsZero(), NextCursor: cursorText(page.Next),
	}
	for i, entry := range page.Entries {
		reply.Messages[i] = e.historyMessage(entry)
	}
	writeJSON(q.w, http.StatusOK, jsonType, &reply)
	return nil
}

// page reads at once what nobody has to wait for.
func (e *endpoint) page(ctx context.Context, query store.Query) (store.Page, error) {
	if _, ours := e.accepted.last(query.Chat); !ours {
		if page, err := e.history.Page(ctx, query); !errors.Is(err, store.ErrUnknownChat) {
			return page, err
		}
	}
	if err := e.awaitChat(ctx, query.Chat); err != nil {
		return store.Page{}, err
	}
	return e.history.Page(ctx, query)
}

// historyQuery reads what is asked for.
func historyQuery(q *request) (store.Query, error) {
	chat, err := chatOf(q)
	if err != nil {
		return store.Query{}, err
	}
	query := store.Query{Chat: chat, Limit: defaultLimit}
	if query.Limit, err = limitOf(q.query); err != nil {
		return store.Query{}, err
	}
	if cursor, given := q.query["cursor"]; given {
		var ok bool
		if query.Before, ok = parseCursor(cursor[0]); !ok {
			return store.Query{}, refuseField(codeInvalidQuery, "cursor", "The cursor must be a next_cursor of an earlier answer.")
		}
	}
	query.From, query.To, err = windowOf(q.body)
	return query, err
}

// chatOf reads the chat that a request is about.
func chatOf(q *request) (messages.Chat, error) {
	id := q.query.Get("chat_id")
	switch {
	case id == "":
		return messages.Chat{}, refuseField(channels.CodeMissingField, "chat_id", "The query parameter is required.")
	case len(id) > maxChatID:
		return messages.Chat{}, refuseField(channels.CodeFieldTooLong, "chat_id", "The query parameter is too long.")
	case !printable(id):
		return messages.Chat{}, refuseField(codeInvalidQuery, "chat_id", "The query parameter must be UTF-8 without control characters.")
	}
	return messages.Chat{Tenant: q.identity.Tenant, ChatID: id}, nil
}

func limitOf(query url.Values) (int, error) {
	given, ok := query["limit"]
	if !ok {
		return defaultLimit, nil
	}
	limit, err := strconv.ParseUint(given[0], 10, 16) // takes no sign, no space and no other base
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, refuseField(codeInvalidQuery, "limit", "The limit must be a number from 1 to 100.")
	}
	return int(limit), nil
}

func windowOf(body []byte) (from, to time.Time, err error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return from, to, nil
	}
	var window historyBody
	if err := channels.DecodeStrict(body, &window); err != nil {
		return from, to, err
	}
	if from, err = timeOf("from_timestamp", window.From); err != nil {
		return from, to, err
	}
	if to, err = timeOf("to_timestamp", window.To); err != nil {
		return from, to, err
	}
	if !from.IsZero() && !to.IsZero() && from.After(to) {
		return from, to, refuseField(channels.CodeInvalidField, "from_timestamp", "The window ends before it starts.")
	}
	return from, to, nil
}

// timeOf reads an end of a window; an open one is zero.
func timeOf(field string, text *string) (time.Time, error) {
	if text == nil {
		return time.Time{}, nil
	}
	t, err := messages.ParseTime(*text)
	if err != nil {
		return t, refuseField(channels.CodeInvalidField, field, "The field must be an RFC 3339 time.")
	}
	if t.IsZero() { // the first moment of the year 1 must not open the window
		t = t.Add(time.Nanosecond)
	}
	return t, nil
}
