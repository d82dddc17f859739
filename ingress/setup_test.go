package ingress_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// identifier is the spec's: org123:user456:lc-789.
const identifier = "b3JnMTIzOnVzZXI0NTY6bGMtNzg5"

var tenant = messages.Tenant{Org: "org123", LiveChat: "lc-789"}

// world is an ingress with everything around it faked in memory.
type world struct {
	*ingress.Server
	config   ingress.Config
	deps     ingress.Deps
	bus      *fakeBus
	store    *fakeStore
	registry *prometheus.Registry
	logs     *conformance.Journal
	secrets  *secrets.Key
}

// newWorld builds an ingress that stores what is published at once. The changes are made before it is built.
func newWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	w := &world{
		config: ingress.DefaultConfig(), store: newFakeStore(), registry: prometheus.NewRegistry(), logs: &conformance.Journal{},
		secrets: newSecrets(t),
	}
	w.bus = &fakeBus{store: w.store}
	w.config.Loopback = true
	w.config.UploadDir = t.TempDir()
	w.deps = ingress.Deps{
		Channels:  []channels.Channel{livechat.Channel()},
		Publisher: w.bus, History: w.store, Uploads: w.store, Blobs: openBlobs(t), Accounts: w.store,
		Secrets:    w.secrets,
		Logger:     w.logs.Logger(),
		Registerer: w.registry,
	}
	for _, f := range change {
		f(w)
	}
	s, err := ingress.New(w.config, w.deps)
	if err != nil {
		t.Fatal(err)
	}
	w.Server = s
	return w
}

func newSecrets(t testing.TB) *secrets.Key {
	t.Helper()
	key, err := secrets.Load(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func openBlobs(t testing.TB) *blobs.Store {
	t.Helper()
	b, err := blobs.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes a request as this machine's own tools would send it.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	r.RemoteAddr = "127.0.0.1:50000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (w *world) serve(r *http.Request) answer {
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, r)
	noteCode(recorder.Body.Bytes())
	return answer{recorder.Code, recorder.Header(), recorder.Body.String()}
}

func (w *world) post(target, body string, headers ...string) answer {
	return w.serve(request(http.MethodPost, target, body, headers...))
}

// spec reads one JSON example of the contract, verbatim.
func spec(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "channels", "livechat", "testdata", "spec", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compact takes the white space out of JSON and leaves the rest, the order of names too, as it is.
func compact(t testing.TB, text string) string {
	t.Helper()
	v := jsontext.Value(strings.TrimSpace(text))
	if err := v.Compact(); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return string(v)
}

// fakeBus is a broker whose worker is as quick as its publisher, unless told otherwise.
type fakeBus struct {
	store   *fakeStore
	publish func(topic string, msgs []*message.Message) error // takes the place of storing

	mu        sync.Mutex
	published []messages.Envelope
}

// Publish implements message.Publisher.
func (b *fakeBus) Publish(topic string, msgs ...*message.Message) error {
	if b.publish != nil {
		return b.publish(topic, msgs)
	}
	for _, msg := range msgs {
		env, err := bus.Unmarshal(msg)
		if err != nil {
			return err
		}
		if env.Type.Topic() != topic {
			panic("an event of another topic")
		}
		b.mu.Lock()
		b.published = append(b.published, env)
		b.mu.Unlock()
		b.store.apply(env)
	}
	return nil
}

// Close implements message.Publisher.
func (b *fakeBus) Close() error { return nil }

func (b *fakeBus) events() []messages.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.published)
}

// fakeStore keeps chats in memory and implements every store that ingress needs.
type fakeStore struct {
	mu       sync.Mutex
	chats    map[messages.Chat][]store.Entry
	media    map[string]store.Media
	accounts map[messages.Tenant]store.Account
	ever     bool
	fail     error
	queries  []store.Query
	lookups  int // of accounts
	learned  int
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		chats: map[messages.Chat][]store.Entry{}, media: map[string]store.Media{},
		accounts: map[messages.Tenant]store.Account{},
	}
}

func (s *fakeStore) apply(env messages.Envelope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch env.Type {
	case messages.TypeMessageReceived:
		e, _ := messages.Open[messages.MessageReceived](env)
		s.insert(e.Chat, store.Entry{Message: e.Message})
	case messages.TypeMediaUploaded:
		e, _ := messages.Open[messages.MediaUploaded](env)
		s.insert(e.Chat, store.Entry{Message: messages.Message{
			ID: e.File.ID, Type: messages.MessageFile, File: &e.File,
			Author: messages.Author{ID: e.User, Type: "user"}, CreatedAt: e.UploadedAt,
		}})
	case messages.TypeDeliveryUpdated:
		e, _ := messages.Open[messages.DeliveryUpdated](env)
		for i, entry := range s.chats[e.Chat] {
			if entry.ID == e.MessageID {
				s.chats[e.Chat][i].Status = e.Status
			}
		}
	}
}

func (s *fakeStore) insert(chat messages.Chat, entry store.Entry) {
	for _, old := range s.chats[chat] {
		if old.ID == entry.ID {
			return
		}
	}
	s.chats[chat] = append(s.chats[chat], entry)
	slices.SortStableFunc(s.chats[chat], func(a, b store.Entry) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
}

// Page implements ingress.History.
func (s *fakeStore) Page(_ context.Context, q store.Query) (store.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, q)
	entries, ok := s.chats[q.Chat]
	if s.fail != nil || !ok {
		return store.Page{}, cmp.Or(s.fail, store.ErrUnknownChat)
	}
	var window []store.Entry
	for _, e := range entries {
		at, _ := messages.ParseTime(e.CreatedAt)
		if (q.From.IsZero() || !at.Before(q.From)) && (q.To.IsZero() || !at.After(q.To)) {
			window = append(window, e)
		}
	}
	page := store.Page{Total: int64(len(window))}
	end := len(window)
	if !q.Before.IsZero() {
		end = int(q.Before.Arrival)
	}
	start := max(0, end-q.Limit)
	page.Entries = window[start:end]
	if start > 0 {
		page.Next = store.Cursor{CreatedAt: 1, Arrival: int64(start)}
	}
	return page, nil
}

// Seen implements ingress.History.
func (s *fakeStore) Seen(_ context.Context, chat messages.Chat, id string) (chatKnown, messageKnown bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, ok := s.chats[chat]
	for _, e := range entries {
		messageKnown = messageKnown || e.ID == id
	}
	return ok, messageKnown, s.fail
}

// Media implements ingress.Uploads.
func (s *fakeStore) Media(_ context.Context, id string) (store.Media, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.media[id]
	if s.fail != nil || !ok {
		return store.Media{}, cmp.Or(s.fail, store.ErrUnknownMedia)
	}
	return m, nil
}
