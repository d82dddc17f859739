package workers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

func TestAnUploadStandsInTheHistoryAsAFile(t *testing.T) {
	s := openStore(t)
	e := uploaded()
	if err := newHistory(t, s).HandleUpload(t.Context(), seal(t, e), e); err != nil {
		t.Fatal(err)
	}
	page, err := s.Page(t.Context(), store.Query{Chat: e.Chat, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Entry{{Message: messages.Message{
		ID: e.File.ID, Type: "file", File: &e.File,
		Author: messages.Author{ID: "user-1", Type: "user"}, CreatedAt: "2026-01-02T03:05:00.000Z",
	}}}
	if diff := cmp.Diff(want, page.Entries); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// ledger is a store that keeps the calls and answers as it is told.
type ledger struct {
	mu      sync.Mutex
	calls   []string // the method and the event's id
	again   bool     // SaveMessage knows the message
	differs bool
	err     error
}

func (l *ledger) note(method, eventID string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, method+" "+eventID)
	return l.err == nil, l.err
}

func (l *ledger) SaveMessage(_ context.Context, id string, _ messages.MessageReceived) (bool, error) {
	saved, err := l.note("SaveMessage", id)
	return saved && !l.again, err
}

func (l *ledger) Differs(context.Context, messages.MessageReceived) (bool, error) {
	return l.differs, l.err
}

func (l *ledger) SaveEdit(_ context.Context, id string, _ messages.MessageUpdated) (bool, error) {
	return l.note("SaveEdit", id)
}

func (l *ledger) SaveDeletion(_ context.Context, id string, _ messages.MessageDeleted) (bool, error) {
	return l.note("SaveDeletion", id)
}

func (l *ledger) SaveConversation(_ context.Context, id string, _ messages.ConversationUpdated) (bool, error) {
	return l.note("SaveConversation", id)
}

func (l *ledger) SaveReceipt(_ context.Context, id string, _ messages.DeliveryUpdated) (messages.Status, bool, error) {
	changed, err := l.note("SaveReceipt", id)
	return messages.Sent, changed, err
}

func (l *ledger) SaveSeen(_ context.Context, id string, _ messages.MessagesSeen) (bool, error) {
	return l.note("SaveSeen", id)
}

// handling seals an event and hands it over.
func handling[T messages.Event](t *testing.T, e T, handle func(context.Context, messages.Envelope, T) error) (messages.Envelope, error) {
	t.Helper()
	env := seal(t, e)
	return env, handle(t.Context(), env, e)
}

const moment = "2026-01-02T03:06:00Z"

// writes are what history and delivery do, by the method of the store that does it.
func writes(t *testing.T) map[string]func(s *ledger) (messages.Envelope, error) {
	deletion := messages.MessageDeleted{Origin: origin(), MessageID: "m", DeletedAt: moment}
	opened := messages.ConversationUpdated{
		Origin: origin(), Change: messages.ChatOpened, At: moment, People: []messages.Person{{ID: "v1", Type: "visitor", Email: privateMail}},
	}
	receipt := messages.DeliveryUpdated{Origin: origin(), MessageID: "m", Status: messages.Sent}
	seen := messages.MessagesSeen{Origin: origin(), By: "ada", UpTo: moment}
	return map[string]func(s *ledger) (messages.Envelope, error){
		"SaveMessage": func(s *ledger) (messages.Envelope, error) { return handling(t, received(), newHistory(t, s).Handle) },
		"SaveEdit":    func(s *ledger) (messages.Envelope, error) { return handling(t, edited(), newHistory(t, s).HandleEdit) },
		"SaveDeletion": func(s *ledger) (messages.Envelope, error) {
			return handling(t, deletion, newHistory(t, s).HandleDeletion)
		},
		"SaveConversation": func(s *ledger) (messages.Envelope, error) {
			return handling(t, opened, newHistory(t, s).HandleConversation)
		},
		"SaveReceipt": func(s *ledger) (messages.Envelope, error) {
			return handling(t, receipt, (&workers.Delivery{Store: s}).Handle)
		},
		"SaveSeen": func(s *ledger) (messages.Envelope, error) {
			return handling(t, seen, (&workers.Delivery{Store: s}).HandleSeen)
		},
	}
}

func TestEachEventIsWrittenUnderItsID(t *testing.T) {
	for method, handle := range writes(t) {
		s := &ledger{}
		env, err := handle(s)
		if diff := cmp.Diff([]string{method + " " + env.ID}, s.calls); err != nil || diff != "" {
			t.Errorf("%v, calls (-want +got):\n%s", err, diff)
		}
	}
}

func TestAnOutageOfTheStoreIsSpokenOn(t *testing.T) {
	for method, handle := range writes(t) {
		if _, err := handle(&ledger{err: messages.Unavailable(errors.New("disk full"))}); !messages.IsUnavailable(err) {
			t.Errorf("%s: %v", method, err)
		}
	}
	e := received()
	if _, err := handling(t, e, newHistory(t, comparing{}).Handle); !messages.IsUnavailable(err) {
		t.Errorf("Differs: %v", err)
	}
}

// comparing is a store that goes down between saving and comparing.
type comparing struct{ *ledger }

func (comparing) SaveMessage(context.Context, string, messages.MessageReceived) (bool, error) {
	return false, nil
}

func (comparing) Differs(context.Context, messages.MessageReceived) (bool, error) {
	return false, messages.Unavailable(errors.New("disk full"))
}

func TestWhatNoStoreCanKeepIsPermanent(t *testing.T) {
	history := newHistory(t, &ledger{err: errors.New("the store was asked")})
	delivery := &workers.Delivery{Store: &ledger{err: errors.New("the store was asked")}}
	message := func(change func(*messages.MessageReceived)) error {
		e := received()
		change(&e)
		_, err := handling(t, e, history.Handle)
		return err
	}
	edit := func(change func(*messages.MessageUpdated)) error {
		e := edited()
		change(&e)
		_, err := handling(t, e, history.HandleEdit)
		return err
	}
	deletion := func(e messages.MessageDeleted) error {
		_, err := handling(t, e, history.HandleDeletion)
		return err
	}
	conversation := func(change func(*messages.ConversationUpdated)) error {
		e := messages.ConversationUpdated{Origin: origin(), Change: messages.ChatOpened, At: moment}
		change(&e)
		_, err := handling(t, e, history.HandleConversation)
		return err
	}
	receipt := func(e messages.DeliveryUpdated) error {
		_, err := handling(t, e, delivery.Handle)
		return err
	}
	seen := func(e messages.MessagesSeen) error {
		_, err := handling(t, e, delivery.HandleSeen)
		return err
	}
	nowhere := origin()
	nowhere.ChatID = ""
	tests := map[string]struct {
		err    error
		reason string
	}{
		"message without chat": {message(func(e *messages.MessageReceived) { e.ChatID = "" }), "undecodable"},
		"message without id":   {message(func(e *messages.MessageReceived) { e.Message.ID = "" }), "undecodable"},
		"message without time": {message(func(e *messages.MessageReceived) { e.Message.CreatedAt = "yesterday" }), "undecodable"},
		"edit without chat":    {edit(func(e *messages.MessageUpdated) { e.ChatID = "" }), "undecodable"},
		"edit of nothing":      {edit(func(e *messages.MessageUpdated) { e.Message.ID = "" }), "undecodable"},
		"edit of no time":      {edit(func(e *messages.MessageUpdated) { e.Message.CreatedAt = "" }), "undecodable"},
		"edit at no time":      {edit(func(e *messages.MessageUpdated) { e.EditedAt = "" }), "undecodable"},
		"removal without chat": {deletion(messages.MessageDeleted{Origin: nowhere, MessageID: "m", DeletedAt: moment}), "undecodable"},
		"removal of nothing":   {deletion(messages.MessageDeleted{Origin: origin(), DeletedAt: moment}), "undecodable"},
		"removal of what never was": {deletion(messages.MessageDeleted{
			Origin: origin(), MessageID: "m", DeletedAt: moment, Place: &messages.Place{Type: "text"},
		}), "undecodable"},
		"removal at no time":          {deletion(messages.MessageDeleted{Origin: origin(), MessageID: "m"}), "undecodable"},
		"change without chat":         {conversation(func(e *messages.ConversationUpdated) { e.ChatID = "" }), "undecodable"},
		"change without a word":       {conversation(func(e *messages.ConversationUpdated) { e.Change = "" }), "undecodable"},
		"change at no time":           {conversation(func(e *messages.ConversationUpdated) { e.At = "" }), "undecodable"},
		"change by people without id": {conversation(func(e *messages.ConversationUpdated) { e.People = []messages.Person{{Type: "agent"}} }), "undecodable"},
		"receipt, strange state":      {receipt(messages.DeliveryUpdated{Origin: origin(), MessageID: "m", Status: "lost"}), "refused"},
		"receipt for nothing":         {receipt(messages.DeliveryUpdated{Origin: origin(), Status: messages.Sent}), "undecodable"},
		"seen in no chat":             {seen(messages.MessagesSeen{Origin: nowhere, By: "ada", UpTo: moment}), "undecodable"},
		"seen by nobody":              {seen(messages.MessagesSeen{Origin: origin(), UpTo: moment}), "undecodable"},
		"seen up to no time":          {seen(messages.MessagesSeen{Origin: origin(), By: "ada", UpTo: "now"}), "undecodable"},
	}
	for name, tt := range tests {
		var final *messages.PermanentError
		if !errors.As(tt.err, &final) || final.Reason != tt.reason {
			t.Errorf("%s: error %v, want permanent %s", name, tt.err, tt.reason)
		}
	}
}

// S3: the same id with another body. The first one stays, it is logged, and nobody reads there what was written.
func TestAMessageThatCameAgainWithOtherWordsIsTold(t *testing.T) {
	tests := map[string]struct {
		store *ledger
		lines int
	}{
		"a new one":                {&ledger{differs: true}, 0},
		"one that came again":      {&ledger{again: true}, 0},
		"again, and not as it was": {&ledger{again: true, differs: true}, 1},
	}
	for name, tt := range tests {
		log, lines := journal()
		counts := prometheus.NewRegistry()
		history, err := workers.NewHistory(tt.store, log, counts)
		if err != nil {
			t.Fatal(err)
		}
		env, err := handling(t, received(), history.Handle)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		said := lines.String()
		if n := strings.Count(said, "\n"); n != tt.lines {
			t.Errorf("%s: %d lines: %s", name, n, said)
		}
		for _, id := range []string{"level=WARN", env.ID, "org=org", "livechat=lc", "chat_id=chat-1", "message_id=msg-1"} {
			if tt.lines > 0 && !strings.Contains(said, id) {
				t.Errorf("%s: no %s in %s", name, id, said)
			}
		}
		if strings.Contains(said, "4111") || strings.Contains(said, privateMail) {
			t.Errorf("%s: the log shows what somebody wrote: %s", name, said)
		}
		if problems, err := testutil.GatherAndLint(counts); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
		want := fmt.Sprintf("# HELP livepipe_history_conflicts_total Messages that came again with other words; the first ones stay.\n"+
			"# TYPE livepipe_history_conflicts_total counter\nlivepipe_history_conflicts_total %d\n", tt.lines)
		if err := testutil.GatherAndCompare(counts, strings.NewReader(want)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
