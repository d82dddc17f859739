package workers_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

const (
	privateText = "my card is 4111 1111"
	privateMail = "ada@example.org"
	parent      = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

// key is the shortest secret that Standard Webhooks allows.
var key = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 24)))

var fixedTime = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)

func origin() messages.Origin {
	return messages.Origin{
		Channel: "livechat", User: "user-1",
		Chat: messages.Chat{Tenant: messages.Tenant{Org: "org", LiveChat: "lc"}, ChatID: "chat-1"},
	}
}

func received() messages.MessageReceived {
	text := privateText
	return messages.MessageReceived{
		Origin: origin(),
		Message: messages.Message{
			ID: "msg-1", Type: messages.MessageText, Text: &text,
			Author: messages.Author{ID: "v1", Type: "visitor"}, CreatedAt: "2026-01-02T03:04:05.678Z",
		},
		Visitor: &messages.Visitor{ID: "v1", Email: privateMail},
	}
}

func uploaded() messages.MediaUploaded {
	return messages.MediaUploaded{
		Origin: origin(),
		File: messages.File{
			ID: "media_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "cat.png", ContentType: "image/png", Size: 4242, Extension: ".png",
		},
		UploadedAt: "2026-01-02T03:05:00.000Z",
	}
}

func seal(t *testing.T, e messages.Event) messages.Envelope {
	t.Helper()
	env, err := messages.Seal(e, fixedTime, parent)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// openStore opens a store of its own for the test.
func openStore(t *testing.T) *sqlite.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "livepipe.db")
	if err := sqlite.Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newHistory is a history worker whose lines and count nobody reads.
func newHistory(t *testing.T, s workers.HistoryStore) *workers.History {
	t.Helper()
	h, err := workers.NewHistory(s, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// edited is an edit of received.
func edited() messages.MessageUpdated {
	e := received()
	text := privateText + " 1111"
	e.Message.Text = &text
	return messages.MessageUpdated{Origin: e.Origin, Message: e.Message, EditedAt: "2026-01-02T03:06:00Z", Revision: "r1"}
}

// webhooks is a rules set with a webhook for each name and URL, and a rule that sends everything to all of them.
func webhooks(t *testing.T, urls map[string]string, settings string) *rules.Set {
	t.Helper()
	var b, names strings.Builder
	b.WriteString("destinations:\n")
	for name, url := range urls {
		fmt.Fprintf(&b, "  %s: {type: webhook, url: '%s', secret_env: KEY%s}\n", name, url, settings)
		names.WriteString(name + ", ")
	}
	fmt.Fprintf(&b, "rules:\n  - {name: all, when: 'true', to: [%s]}\n", strings.TrimSuffix(names.String(), ", "))
	return load(t, b.String())
}

func load(t *testing.T, text string) *rules.Set {
	t.Helper()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load(path, func(string) string { return key })
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// publisher keeps what was published.
type publisher struct {
	mu   sync.Mutex
	err  error
	sent map[string][]*message.Message
}

func (p *publisher) Publish(topic string, msgs ...*message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if p.sent == nil {
		p.sent = map[string][]*message.Message{}
	}
	p.sent[topic] = append(p.sent[topic], msgs...)
	return nil
}

func (p *publisher) Close() error { return nil }

// ids lists the events published on a topic.
func (p *publisher) ids(topic string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, msg := range p.sent[topic] {
		out = append(out, msg.UUID)
	}
	return out
}

// lookups is a routing store that knows nothing, and counts how often it was asked.
type lookups struct {
	err   error
	asked int
}

func (l *lookups) PersonType(context.Context, messages.Chat, string) (kind string, known bool, err error) {
	l.asked++
	return "", false, l.err
}

func (l *lookups) IsNote(context.Context, messages.Chat, string) (note, known bool, err error) {
	l.asked++
	return false, false, l.err
}

// requests are the dispatches that were published.
func (p *publisher) requests(t *testing.T) []messages.DispatchRequested {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []messages.DispatchRequested
	for _, msg := range p.sent[messages.TypeDispatchRequested.Topic()] {
		env, err := bus.Unmarshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		request, err := messages.Open[messages.DispatchRequested](env)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, request)
	}
	return all
}

// notes is a dispatch store in memory.
type notes struct {
	mu     sync.Mutex
	err    error
	marked map[string]string // destination by event
}

func (n *notes) Dispatched(_ context.Context, eventID string) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.marked[eventID]
	return ok, nil
}

func (n *notes) MarkDispatched(ctx context.Context, eventID, destination string, _ time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.marked == nil {
		n.marked = map[string]string{}
	}
	n.marked[eventID] = destination
	return nil
}

// journal is a logger whose lines a test reads.
func journal() (*slog.Logger, *conformance.Journal) {
	var j conformance.Journal
	return j.Logger(), &j
}
