package workers_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/lanes/lanestest"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
	"github.com/livepipe/livepipe/workers"
)

// world answers for three destinations and remembers when each event arrived. Times are virtual.
type world struct {
	mu       sync.Mutex
	dead     bool // c.example answers nothing
	calls    map[string]int
	arrivals map[string]time.Time // by webhook-id
	doubles  int
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.calls[r.URL.Host]++
	hangs := w.dead && r.URL.Host == "c.example"
	w.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	time.Sleep(20 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	id := r.Header.Get("webhook-id")
	if _, twice := w.arrivals[id]; twice {
		w.doubles++
	}
	w.arrivals[id] = time.Now()
	return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: r}, nil
}

func (w *world) callsTo(host string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[host]
}

func (w *world) set(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
}

// Ten conversations a second write to three destinations for a minute, through the real engine. One destination hangs
// for that minute and then comes back.
func TestOneDeadDestinationDelaysNoOther(t *testing.T) {
	p99 := map[bool]time.Duration{}
	for _, dead := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{dead: dead, calls: map[string]int{}, arrivals: map[string]time.Time{}}
			dispatch := workers.NewDispatch(workers.DispatchConfig{
				Store: &notes{}, Logger: slog.New(slog.DiscardHandler), HTTP: w,
				Rules: webhooks(t, map[string]string{"a": "https://a.example", "b": "https://b.example", "c": "https://c.example"}, ""),
			})
			q := lanestest.NewQueue()
			e := start(t, slog.New(slog.DiscardHandler), &publisher{},
				map[string]*lanestest.Queue{"dispatch": q}, map[string][]router.Route{"dispatch": {router.On(dispatch.Handle)}})
			sent := feed(t, q, time.Minute)
			time.Sleep(time.Second)

			p99[dead] = percentile(w, sent, "a", "b")
			if calls := w.callsTo("c.example"); dead && calls > 32+8 {
				// 32 may be under way before the first has timed out; after that probes go at about 10+1, 10+2, 10+4 s.
				t.Errorf("%d calls to a dead destination", calls)
			}
			w.set(false)
			time.Sleep(10 * time.Minute) // the longest cool-down is half of that
			synctest.Wait()
			if q.Acked() != len(sent) || len(w.arrivals) != len(sent) || w.doubles != 0 {
				t.Errorf("of %d: %d acknowledged, %d arrived, %d twice", len(sent), q.Acked(), len(w.arrivals), w.doubles)
			}
			e.stop(t)
		})
	}
	t.Logf("p99 of the others: %s clean, %s beside a dead one", p99[false], p99[true])
	if p99[true] > p99[false]*3/2 {
		t.Errorf("p99 of the others rose from %s to %s", p99[false], p99[true])
	}
}

type request struct {
	destination string
	at          time.Time
}

// feed puts one event for each destination into the queue every 100 ms, each of another conversation.
func feed(t *testing.T, q *lanestest.Queue, lasting time.Duration) map[string]request {
	t.Helper()
	sent := map[string]request{}
	for i := range int(lasting / (100 * time.Millisecond)) {
		for _, to := range []string{"a", "b", "c"} {
			m := received()
			m.ChatID = fmt.Sprint("chat-", i)
			env := seal(t, messages.DispatchRequested{Origin: m.Origin, Destination: to, Event: seal(t, m)})
			sent[env.ID] = request{to, time.Now()}
			put(t, q, env)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return sent
}

func percentile(w *world, sent map[string]request, destinations ...string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var took []time.Duration
	for id, r := range sent {
		if at, arrived := w.arrivals[id]; !slices.Contains(destinations, r.destination) {
			continue
		} else if arrived {
			took = append(took, at.Sub(r.at))
		} else {
			took = append(took, time.Hour)
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// attempt is one event offered to a destination whose answers a test decides.
type attempt struct {
	dispatch *workers.Dispatch
	answer   func() (*http.Response, error)
	calls    int
	n        int
}

func newAttempt(t *testing.T) *attempt {
	a := &attempt{}
	a.dispatch = workers.NewDispatch(workers.DispatchConfig{
		Store: &notes{}, Logger: slog.New(slog.DiscardHandler), Rules: webhooks(t, map[string]string{"a": "https://a.example"}, ""),
		HTTP: roundTrip(func(*http.Request) (*http.Response, error) { a.calls++; return a.answer() }),
	})
	return a
}

// offer gives another event to the destination and tells the outcome, how long to wait, and whether there was a call.
func (a *attempt) offer(t *testing.T) (outcome string, wait time.Duration, called bool) {
	t.Helper()
	before := a.calls
	a.n++
	m := received()
	m.Message.ID = fmt.Sprint("msg-", a.n)
	e := messages.DispatchRequested{Origin: m.Origin, Destination: "a", Event: seal(t, m)}
	err := a.dispatch.Handle(t.Context(), seal(t, e), e)
	var postponed *messages.PostponedError
	if errors.As(err, &postponed) {
		wait = postponed.For
	}
	return outcomeOf(err), wait, a.calls > before
}

func answer(code int, retryAfter string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		header := http.Header{}
		header.Set("Retry-After", retryAfter)
		return &http.Response{StatusCode: code, Header: header, Body: http.NoBody}, nil
	}
}

func noAnswer() (*http.Response, error) { return nil, errors.New("reset: " + privateText) }

func TestCooldownGrowsProbesAndOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempt(t)
		a.answer = noAnswer
		for i, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			center := time.Duration(seconds) * time.Second
			outcome, wait, called := a.offer(t)
			// 30 % of jitter either way, and a tenth more so that what waits does not come together.
			low, high := center*7/10, center*13/10*11/10+1
			if outcome != later || !called || wait < low || wait > high {
				t.Fatalf("probe %d: %s, called %v, wait %s; want a wait from %s to %s", i, outcome, called, wait, low, high)
			}
			if outcome, rest, called := a.offer(t); outcome != later || called || rest > high {
				t.Fatalf("during cool-down %d: %s, called %v, wait %s", i, outcome, called, rest)
			}
			time.Sleep(wait)
		}
		a.answer = answer(200, "")
		for range 3 {
			if outcome, _, called := a.offer(t); outcome != ok || !called {
				t.Fatalf("after it came back: %s, called %v", outcome, called)
			}
		}
		a.answer = noAnswer
		if _, wait, _ := a.offer(t); wait > 1500*time.Millisecond {
			t.Errorf("the first wait after a success is %s, want about a second", wait)
		}
	})
}

func TestOnlyOneProbeGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempt(t)
		a.answer = noAnswer
		_, wait, _ := a.offer(t)
		time.Sleep(wait)
		a.answer = func() (*http.Response, error) { // while the probe is under way
			a.answer = answer(200, "")
			if outcome, wait, called := a.offer(t); outcome != later || called || wait > 2*time.Second {
				t.Errorf("beside the probe: %s, called %v, wait %s", outcome, called, wait)
			}
			return a.answer()
		}
		if outcome, _, _ := a.offer(t); outcome != ok {
			t.Errorf("the probe: %s", outcome)
		}
		if outcome, _, _ := a.offer(t); outcome != ok {
			t.Errorf("after the probe: %s", outcome)
		}
	})
}

func TestOneEventThatADestinationChokesOnClosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempt(t)
		for range 20 {
			a.answer = answer(500, "")
			if outcome, _, called := a.offer(t); outcome != counted || !called {
				t.Fatalf("500: %s, called %v", outcome, called)
			}
			a.answer = answer(200, "")
			if outcome, _, _ := a.offer(t); outcome != ok {
				t.Fatalf("the event beside it: %s", outcome)
			}
		}
		a.answer = answer(503, "")
		for range 5 { // in a row
			if outcome, _, called := a.offer(t); outcome != counted || !called {
				t.Fatalf("503: %s, called %v", outcome, called)
			}
		}
		if outcome, _, called := a.offer(t); outcome != later || called {
			t.Errorf("after five in a row: %s, called %v", outcome, called)
		}
	})
}

func TestADestinationSaysHowLongToWait(t *testing.T) {
	tests := map[string]struct {
		answer func() (*http.Response, error)
		want   string
		wait   time.Duration
	}{
		"429, seconds": {answer(429, "120"), later, 2 * time.Minute},
		"429, forever": {answer(429, "99999999999"), later, time.Hour},
		"429, a date": {func() (*http.Response, error) { // a year from now, which is cut to an hour
			return answer(429, time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))()
		}, later, time.Hour},
		"503, seconds": {answer(503, "120"), counted, 2 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAttempt(t)
				a.answer = tt.answer
				if outcome, _, _ := a.offer(t); outcome != tt.want {
					t.Errorf("outcome %s, want %s", outcome, tt.want)
				}
				a.answer = answer(200, "")
				time.Sleep(tt.wait - time.Second)
				if outcome, _, called := a.offer(t); outcome != later || called {
					t.Errorf("a second too early: %s, called %v", outcome, called)
				}
				time.Sleep(time.Second)
				if outcome, _, _ := a.offer(t); outcome != ok {
					t.Errorf("in time: %s", outcome)
				}
			})
		})
	}
}

// drip is a body without an end.
type drip struct{ read, closed int }

func (d *drip) Read(p []byte) (int, error) { d.read += len(p); return len(p), nil }
func (d *drip) Close() error               { d.closed++; return nil }

func TestAnAnswerIsReadWithinBounds(t *testing.T) {
	a := newAttempt(t)
	body := &drip{}
	// Without the bound the read never ends, because nothing here listens to the time limit of the call.
	a.answer = func() (*http.Response, error) { return &http.Response{StatusCode: 200, Body: body}, nil }
	if outcome, _, _ := a.offer(t); outcome != ok || body.read > 64<<10 || body.closed != 1 {
		t.Errorf("%s after %d bytes, closed %d times", outcome, body.read, body.closed)
	}
}

// Whatever fails, neither a log line nor a dead letter's metadata nor an error shows what a person wrote, a secret or a
// URL.
func TestFailuresShowNothingPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := journal()
		answers := []func() (*http.Response, error){noAnswer, answer(404, ""), answer(500, ""), answer(302, ""), answer(429, "1")}
		var calls atomic.Int64 // destinations are called from many lanes at once
		dispatch := workers.NewDispatch(workers.DispatchConfig{
			Store: &notes{}, Logger: log, Rules: webhooks(t, map[string]string{"a": "https://user:hunter2@a.example/?key=hunter2"}, ""),
			HTTP: roundTrip(func(*http.Request) (*http.Response, error) {
				return answers[calls.Add(1)%int64(len(answers))]()
			}),
		})
		down := &ledger{err: fmt.Errorf("insert %s of %s", privateText, privateMail)}
		history := newHistory(t, down)
		delivery := &workers.Delivery{Store: down}
		routing := &workers.Routing{
			Rules: load(t, "rules: [{name: age, when: 'int(message.text) > 1', to: [log]}]"), Publisher: &publisher{}, Now: time.Now,
		}
		dead := &publisher{}
		queues := map[string]*lanestest.Queue{"history": lanestest.NewQueue(), "routing": lanestest.NewQueue(), "dispatch": lanestest.NewQueue(), "delivery": lanestest.NewQueue()}
		e := start(t, log, dead, queues, map[string][]router.Route{
			"history": {
				router.On(history.Handle), router.On(history.HandleUpload), router.On(history.HandleEdit),
				router.On(history.HandleDeletion), router.On(history.HandleConversation),
			},
			"delivery": {router.On(delivery.Handle), router.On(delivery.HandleSeen)},
			"routing": {
				router.On(routing.Handle), router.On(routing.HandleUpload), router.On(routing.HandleEdit), router.On(routing.HandleDeletion),
				router.On(routing.HandleConversation), router.On(routing.HandleAccount), router.On(routing.HandleUnknown),
			},
			"dispatch": {router.On(dispatch.Handle)},
		})
		for i := range 20 {
			m := received()
			m.ChatID = fmt.Sprint("chat-", i)
			env := seal(t, m)
			put(t, queues["history"], env)
			put(t, queues["routing"], env)
			put(t, queues["delivery"], env) // not its type
			edit := edited()
			edit.ChatID = m.ChatID
			put(t, queues["history"], seal(t, edit))
			put(t, queues["routing"], seal(t, edit))
			put(t, queues["dispatch"], seal(t, messages.DispatchRequested{Origin: m.Origin, Destination: "a", Event: env}))
		}
		time.Sleep(24 * time.Hour)
		e.stop(t)

		shown := lines.String()
		for worker, letters := range dead.sent {
			for _, letter := range letters {
				shown += fmt.Sprintln(worker, letter.Metadata)
			}
		}
		if len(dead.sent["history"]) != 40 || len(dead.sent["routing"]) != 40 || len(dead.sent["delivery"]) != 20 {
			t.Errorf("dead letters: history %d, routing %d, delivery %d", len(dead.sent["history"]), len(dead.sent["routing"]), len(dead.sent["delivery"]))
		}
		for _, hidden := range []string{"4111", privateMail, "hunter2", "a.example", strings.TrimPrefix(key, "whsec_")} {
			for line := range strings.Lines(shown) {
				if strings.Contains(line, hidden) {
					t.Errorf("%q is shown by %s", hidden, line)
					break
				}
			}
		}
		for _, needed := range []string{"destination a answered 404", `rule \"age\": its condition failed`, "reason=exhausted", "reason=unrouted"} {
			if !strings.Contains(shown, needed) {
				t.Errorf("nothing says %q", needed)
			}
		}
	})
}
