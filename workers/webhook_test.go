package workers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// deliver dispatches one message to a destination that answers with handler.
func deliver(t *testing.T, handler http.HandlerFunc, settings string) (dispatched bool, log string, err error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	return deliverTo(t, strings.Replace(server.URL, "http://", "http://user:hunter2@", 1)+"/hook?key=hunter2", settings)
}

func deliverTo(t *testing.T, url, settings string) (dispatched bool, log string, err error) {
	t.Helper()
	logger, lines := journal()
	store := &notes{}
	dispatch := workers.NewDispatch(workers.DispatchConfig{
		Store: store, Rules: webhooks(t, map[string]string{"crm": url}, settings), Logger: logger,
	})
	defer dispatch.Close()
	e := messages.DispatchRequested{Origin: origin(), Destination: "crm", Event: seal(t, received())}
	env := seal(t, e)
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": env.TraceParent})
	err = dispatch.Handle(ctx, env, e)
	return store.marked[env.ID] == "crm", lines.String(), err
}

func TestWebhookIsTheEventSignedForTheReceiver(t *testing.T) {
	verifier, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	event := seal(t, received())
	body, _ := event.Bytes()
	want := seal(t, messages.DispatchRequested{Origin: origin(), Destination: "crm", Event: event}).ID
	dispatched, log, err := deliver(t, func(_ http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(got, r.Header); err != nil {
			t.Errorf("signature: %v", err)
		}
		if string(got) != string(body) {
			t.Errorf("posted %s", got)
		}
		for name, value := range map[string]string{
			"Content-Type": "application/cloudevents+json", "Webhook-Id": want, "Traceparent": parent, "User-Agent": "livepipe",
		} {
			if r.Header.Get(name) != value || r.Method != http.MethodPost {
				t.Errorf("%s %s: %q, want %q", r.Method, name, r.Header.Get(name), value)
			}
		}
	}, "")
	if err != nil || !dispatched || log != "" {
		t.Errorf("error %v, dispatched %v, log %q", err, dispatched, log)
	}
}

// Words for what a handler may return.
const (
	ok      = "ok"
	refused = "refused"
	counted = "counted"
	later   = "later" // postponed, not counted
)

func outcomeOf(err error) string {
	var postponed *messages.PostponedError
	switch {
	case err == nil:
		return ok
	case isPermanent(err, "refused"):
		return refused
	case errors.As(err, &postponed) && postponed.For > 0:
		return later
	case messages.IsUnavailable(err):
		return "unavailable"
	default:
		return counted
	}
}

func TestWebhookAnswers(t *testing.T) {
	status := func(code int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, privateText) // an answer may quote the event: nothing of it is kept
		}
	}
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"200":                      {status(200), ok},
		"204":                      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ok},
		"304":                      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, refused},
		"400":                      {status(400), refused},
		"401":                      {status(401), refused},
		"404":                      {status(404), refused},
		"408":                      {status(408), counted},
		"410":                      {status(410), refused},
		"425":                      {status(425), counted},
		"429":                      {status(429), counted},
		"429, seconds":             {status(429, "Retry-After", "7"), later},
		"429, a date":              {status(429, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), later},
		"429, a past date":         {status(429, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), counted},
		"429, nonsense":            {status(429, "Retry-After", "soon"), counted},
		"500":                      {status(500), counted},
		"503":                      {status(503), counted},
		"503, seconds":             {status(503, "Retry-After", "7"), counted},
		"an answer without an end": {endless, ok},
		"a body that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(200)
		}, ok},
		"the connection breaks off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, later},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dispatched, log, err := deliver(t, tt.answer, "")
			if got := outcomeOf(err); got != tt.want || dispatched != (tt.want == ok) {
				t.Errorf("outcome %s (%v), dispatched %v; want %s", got, err, dispatched, tt.want)
			}
			for _, hidden := range []string{"4111", "hunter2", "127.0.0.1"} {
				if strings.Contains(fmt.Sprint(err)+log, hidden) {
					t.Errorf("%q is shown by error %v or log %s", hidden, err, log)
				}
			}
		})
	}
}

// endless keeps sending until the client has had enough.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}

func TestWebhookRedirectIsNotFollowed(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		var followed atomic.Bool
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
		dispatched, _, err := deliver(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, code)
		}, "")
		elsewhere.Close()
		if outcomeOf(err) != refused || dispatched || followed.Load() {
			t.Errorf("%d: error %v, dispatched %v, followed %v", code, err, dispatched, followed.Load())
		}
	}
}

func TestWebhookThatIsNotThere(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	dispatched, _, err := deliverTo(t, gone.URL+"/?key=hunter2", "")
	if want := "destination crm is not reachable: connection refused"; outcomeOf(err) != later || dispatched ||
		!strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, dispatched %v, want %s", err, dispatched, want)
	}
}

func TestWebhookThatIsSlow(t *testing.T) {
	dispatched, _, err := deliver(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a client that leaves only behind the body
		<-r.Context().Done()
	}, ", timeout: 30ms")
	if outcomeOf(err) != later || dispatched || !strings.Contains(err.Error(), "destination crm did not answer in time") {
		t.Errorf("error %v, dispatched %v", err, dispatched)
	}
}

func TestDispatchOutcomesWithoutACall(t *testing.T) {
	logger, lines := journal()
	set := load(t, "destinations: {audit: {type: log}}\n")
	event := seal(t, received())
	handle := func(store workers.DispatchStore, destination string) error {
		e := messages.DispatchRequested{Origin: origin(), Destination: destination, Rule: "r", Event: event}
		return workers.NewDispatch(workers.DispatchConfig{Store: store, Rules: set, Logger: logger}).Handle(t.Context(), seal(t, e), e)
	}
	if err := handle(&notes{}, "crm"); outcomeOf(err) != refused {
		t.Errorf("a destination that is no longer configured: %v", err)
	}
	if err := handle(&notes{err: messages.Unavailable(errors.New("disk full"))}, "audit"); !messages.IsUnavailable(err) {
		t.Errorf("a store that is down: %v", err)
	}
	lines.Reset()
	store := &notes{}
	if err := handle(store, "audit"); err != nil || len(store.marked) != 1 {
		t.Errorf("log: error %v, %d noted", err, len(store.marked))
	}
	want := fmt.Sprintf("level=INFO msg=event event_id=%s event_type=livechat.message.received.v1 channel=livechat org=org "+
		"livechat=lc chat_id=chat-1 destination=audit rule=r\n", event.ID)
	if _, got, _ := strings.Cut(lines.String(), " "); got != want {
		t.Errorf("log line\n got %s\nwant %s", got, want)
	}
}

// What was posted is noted even when the process has begun to stop.
func TestAStopAfterThePostDoesNotLoseTheNote(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	logger, _ := journal()
	store := &notes{}
	dispatch := workers.NewDispatch(workers.DispatchConfig{
		Store: store, Rules: webhooks(t, map[string]string{"crm": server.URL}, ""), Logger: logger,
		HTTP: roundTrip(func(r *http.Request) (*http.Response, error) {
			defer stop()
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		}),
	})
	e := messages.DispatchRequested{Origin: origin(), Destination: "crm", Event: seal(t, received())}
	if err := dispatch.Handle(ctx, seal(t, e), e); err != nil || len(store.marked) != 1 {
		t.Errorf("error %v, %d noted", err, len(store.marked))
	}
}

// roundTrip is a transport that is one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAnOutageOfTheNoteRepeatsNoDelivery: while the store takes no write, each probe tries the note again and not the
// destination, which has the event already.
func TestAnOutageOfTheNoteRepeatsNoDelivery(t *testing.T) {
	calls := 0
	store := &notes{err: messages.Unavailable(errors.New("disk full"))}
	dispatch := workers.NewDispatch(workers.DispatchConfig{
		Store: store, Logger: slog.New(slog.DiscardHandler), Rules: webhooks(t, map[string]string{"a": "https://a.example"}, ""),
		HTTP: roundTrip(func(*http.Request) (*http.Response, error) { calls++; return answer(204, "")() }),
	})
	m := received()
	e := messages.DispatchRequested{Origin: m.Origin, Destination: "a", Event: seal(t, m)}
	env := seal(t, e)
	for range 10 {
		if err := dispatch.Handle(t.Context(), env, e); !messages.IsUnavailable(err) {
			t.Errorf("without a note: %v, want an outage", err)
		}
	}
	store.err = nil
	if err := dispatch.Handle(t.Context(), env, e); err != nil || store.marked[env.ID] != "a" {
		t.Errorf("when the store is back: %v, noted %v", err, store.marked)
	}
	if calls != 1 {
		t.Errorf("the destination got the event %d times", calls)
	}
}
