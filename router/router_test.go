package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/trace"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

func TestOutcomes(t *testing.T) {
	foreign := errors.New("cannot store: " + secretText)
	tests := map[string]struct {
		handle  func(run int) error
		wait    time.Duration // virtual
		runs    int
		outcome outcome // the metric that rises
		reason  string  // of the dead letter
	}{
		"nil acknowledges":                  {handle: func(int) error { return nil }, runs: 1, outcome: handled},
		"permanent is set aside at once":    {handle: func(int) error { return messages.Permanent(messages.ReasonRefused, foreign) }, runs: 1, outcome: deadLetter, reason: "refused"},
		"an unknown reason stays in bounds": {handle: func(int) error { return messages.Permanent(secretText, foreign) }, runs: 1, outcome: deadLetter, reason: "other"},
		"wrapped permanent is permanent":    {handle: func(int) error { return fmt.Errorf("route: %w", messages.Permanent("expired", foreign)) }, runs: 1, outcome: deadLetter, reason: "expired"},
		"any other error has twelve attempts": {
			handle: func(int) error { return foreign },
			wait:   time.Hour, runs: 12, outcome: failed, reason: "exhausted",
		},
		"a panic has twelve attempts": {
			handle: func(int) error { panic(secretText) },
			wait:   time.Hour, runs: 12, outcome: panicked, reason: "panic",
		},
		"a panic once is retried": {handle: func(run int) error {
			if run == 1 {
				panic(foreign)
			}
			return nil
		}, wait: time.Minute, runs: 2, outcome: panicked},
		"an outage is never counted": {handle: func(run int) error {
			if run < 50 {
				return messages.Unavailable(foreign)
			}
			return nil
		}, wait: time.Hour, runs: 50, outcome: unavailable},
		"a postponement is never counted": {handle: func(run int) error {
			if run < 50 {
				return messages.Postpone(time.Minute, foreign)
			}
			return nil
		}, wait: time.Hour, runs: 50, outcome: postponed},
		"a nil dereference is a panic": {handle: func(run int) error {
			if run == 1 {
				var e *messages.MessageReceived
				return errors.New(e.ChatID)
			}
			return nil
		}, wait: time.Minute, runs: 2, outcome: panicked},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			work(t, func(_ context.Context, b *bench) error { return tt.handle(b.runs) }, func(b *bench) {
				b.queue.Put(received(t, "c1"))
				time.Sleep(tt.wait + time.Second) // virtual
				synctest.Wait()
				if b.runs != tt.runs || b.queue.Acked() != 1 {
					t.Errorf("%d runs and %d acks, want %d and 1", b.runs, b.queue.Acked(), tt.runs)
				}
				var reasons []string
				for _, dead := range b.dead.dead["history"] {
					reasons = append(reasons, dead.Metadata.Get(bus.DeadReason))
				}
				if want := strings.Fields(tt.reason); !cmp.Equal(reasons, want) && len(reasons)+len(want) > 0 {
					t.Errorf("dead letters %v, want %v", reasons, want)
				}
				if n := counted(t, b, tt.outcome); n == 0 {
					t.Errorf("no run counted as %s", tt.outcome)
				}
				if strings.Contains(b.log.String(), "4111") {
					t.Errorf("the log shows what a person wrote:\n%s", b.log.String())
				}
			})
		})
	}
}

// counted reads a run's metric.
func counted(t *testing.T, b *bench, o outcome) float64 {
	t.Helper()
	families, err := b.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var n float64
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case o == handled && f.GetName() == "livepipe_worker_handled_total":
				n += m.GetCounter().GetValue()
			case f.GetName() == "livepipe_worker_failed_total":
				for _, l := range m.GetLabel() {
					if l.GetValue() == string(o) {
						n += m.GetCounter().GetValue()
					}
				}
			}
		}
	}
	return n
}

func TestDeadLetterCarriesTheMessageAndWhy(t *testing.T) {
	refuse := func(context.Context, *bench) error {
		return messages.Permanent(messages.ReasonRefused, errors.New("no: "+secretText))
	}
	work(t, refuse, func(b *bench) {
		msg := received(t, "c1")
		want := message.Metadata{
			bus.MetadataType: "livechat.message.received.v1",
			bus.MetadataLane: msg.Metadata.Get(bus.MetadataLane),
			bus.DeadReason:   "refused",
			bus.DeadWorker:   "history",
			bus.DeadEventID:  msg.UUID,
			bus.DeadAttempts: "1",
			bus.DeadFailedAt: time.Now().UTC().Format(time.RFC3339),
			bus.DeadDetail:   "*errors.errorString",
		}
		msg.Metadata.Set("foreign", secretText)
		b.queue.Put(msg)
		synctest.Wait()
		dead := b.dead.dead["history"]
		if len(dead) != 1 {
			t.Fatalf("%d dead letters, want 1", len(dead))
		}
		if diff := cmp.Diff(want, dead[0].Metadata); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
		if string(dead[0].Payload) != string(msg.Payload) || dead[0].UUID != msg.UUID {
			t.Error("the dead letter is not the original message")
		}
	})
}

func TestNothingIsLostWhenTheDeadLetterCannotBePublished(t *testing.T) {
	refuse := func(context.Context, *bench) error { return messages.Permanent(messages.ReasonRefused, nil) }
	work(t, refuse, func(b *bench) {
		b.dead.fails = 20 // more than a message has attempts
		b.queue.Put(received(t, "c1"))
		synctest.Wait()
		if b.queue.Acked() != 0 {
			t.Fatal("acknowledged without a dead letter")
		}
		time.Sleep(time.Hour) // virtual
		synctest.Wait()
		if n := len(b.dead.dead["history"]); n != 1 || b.queue.Acked() != 1 {
			t.Errorf("%d dead letters and %d acks, want one of each", n, b.queue.Acked())
		}
		if strings.Contains(b.log.String(), "4111") {
			t.Errorf("the log shows a foreign error's text:\n%s", b.log.String())
		}
	})
}

func TestWhatIsNoEventGoesToTheDeadLetter(t *testing.T) {
	typed := func(typ messages.Type, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"e1","source":"/s","type":%q,"time":"2026-01-02T03:04:05Z","data":%s}`, typ, data)
	}
	tests := map[string]struct{ body, reason, eventID, detail string }{
		"no JSON":      {body: secretText, reason: "undecodable", eventID: "uuid", detail: "decode envelope: not JSON at byte 0"},
		"no event":     {body: `{}`, reason: "undecodable", eventID: "uuid", detail: "decode envelope: not a CloudEvents 1.0 event"},
		"empty":        {body: ``, reason: "undecodable", eventID: "uuid", detail: "decode envelope: not JSON at byte 0"},
		"other worker": {body: typed(messages.TypeDeliveryUpdated, "{}"), reason: "unrouted", eventID: "e1", detail: "the worker has no route for this type"},
		"wrong data":   {body: typed(messages.TypeMessageReceived, `{"message":"`+secretText+`"}`), reason: "undecodable", eventID: "e1", detail: "decode livechat.message.received.v1: wrong type at \"/message\""},
		"no tenant":    {body: typed(messages.TypeMessageReceived, `{}`), reason: "undecodable", eventID: "e1", detail: "decode livechat.message.received.v1: no tenant"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			work(t, func(context.Context, *bench) error { return nil }, func(b *bench) {
				b.queue.Put(message.NewMessage("uuid", []byte(tt.body)))
				synctest.Wait()
				if b.runs != 0 || b.queue.Acked() != 1 || len(b.dead.dead["history"]) != 1 {
					t.Fatalf("%d runs, %d acks, %d dead letters", b.runs, b.queue.Acked(), len(b.dead.dead["history"]))
				}
				m := b.dead.dead["history"][0].Metadata
				if m.Get(bus.DeadReason) != tt.reason || m.Get(bus.DeadEventID) != tt.eventID {
					t.Errorf("dead letter says %v", m)
				}
				if got := m.Get(bus.DeadDetail); got != tt.detail {
					t.Errorf("detail %q, want %q", got, tt.detail)
				}
				if strings.Contains(b.log.String()+fmt.Sprint(m), "4111") {
					t.Errorf("the log or metadata shows the body:\n%s\n%v", b.log.String(), m)
				}
			})
		})
	}
}

func TestHandlerKnowsItsTraceAndItsDeadline(t *testing.T) {
	handle := func(ctx context.Context, b *bench) error {
		if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("trace %s", got)
		}
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left != 30*time.Second {
			t.Errorf("%s left, want 30s", left)
		}
		if b.runs > 1 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	work(t, handle, func(b *bench) {
		b.queue.Put(received(t, "c1"))
		time.Sleep(time.Minute) // virtual
		synctest.Wait()
		if b.runs != 2 || counted(t, b, failed) != 1 {
			t.Errorf("%d runs, %v failed: a timeout is a counted failure", b.runs, counted(t, b, failed))
		}
	})
}

func TestAStopIsNotCountedAgainstTheMessage(t *testing.T) {
	handle := func(ctx context.Context, _ *bench) error {
		<-ctx.Done()
		return fmt.Errorf("store: %w", ctx.Err())
	}
	work(t, handle, func(b *bench) {
		b.queue.Put(received(t, "c1"))
		synctest.Wait()
		t.Cleanup(func() {
			if counted(t, b, interrupted) != 1 || b.queue.Acked() != 0 || len(b.dead.dead) != 0 {
				t.Errorf("interrupted %v, acks %d, dead %d", counted(t, b, interrupted), b.queue.Acked(), len(b.dead.dead))
			}
		})
	})
}

func TestFailureIsLoggedOnceWithFixedKeys(t *testing.T) {
	work(t, func(context.Context, *bench) error { panic("x") }, func(b *bench) {
		b.queue.Put(received(t, "c1"))
		synctest.Wait()
		var lines []string
		for line := range strings.Lines(b.log.String()) {
			if strings.Contains(line, "event_id=evt_") {
				lines = append(lines, line)
			}
		}
		if len(lines) != 1 {
			t.Fatalf("%d lines about one failure:\n%s", len(lines), strings.Join(lines, ""))
		}
		for _, want := range []string{
			"level=WARN", "event_type=livechat.message.received.v1", "worker=history", "attempt=1", "outcome=panicked",
			"panicked with string at router/router_test.go:",
		} {
			if !strings.Contains(lines[0], want) {
				t.Errorf("no %s in %s", want, lines[0])
			}
		}
	})
}

// closing is a subscriber whose channel the test closes.
type closing struct{ out chan *message.Message }

func (c closing) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return c.out, nil
}
func (c closing) Close() error { return nil }

func TestAQueueThatClosesUnaskedEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays, goes := closing{make(chan *message.Message)}, closing{make(chan *message.Message)}
		nothing := On(func(context.Context, messages.Envelope, messages.DeliveryUpdated) error { return nil })
		also := On(func(context.Context, messages.Envelope, messages.DispatchRequested) error { return nil })
		r, err := New(Config{
			Workers: []Worker{
				{Binding: Table()[1], Subscriber: stays, Routes: []Route{nothing, idle[messages.MessagesSeen]()}},
				{Binding: Table()[3], Subscriber: goes, Routes: []Route{also}},
			},
			DeadLetters: &graveyard{}, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		<-r.Running()
		close(goes.out)
		synctest.Wait()
		close(stays.out) // as an engine does when Watermill ends its subscription
		if err := <-ended; err == nil || !strings.Contains(err.Error(), `worker "dispatch" closed unasked`) {
			t.Errorf("run ended with %v", err)
		}
	})
}

func TestNewRefusesWhatTheTableDoesNotSay(t *testing.T) {
	upload := On(func(context.Context, messages.Envelope, messages.MediaUploaded) error { return nil })
	receipt := On(func(context.Context, messages.Envelope, messages.DeliveryUpdated) error { return nil })
	tests := map[string]struct {
		workers []Worker
		want    string
	}{
		"missing":  {[]Worker{{Binding: Table()[4]}}, "no handler for livechat.media.uploaded.v1"},
		"foreign":  {[]Worker{{Binding: Table()[4], Routes: []Route{upload, receipt}}}, "no place for a handler of livechat.delivery.updated.v1"},
		"repeated": {[]Worker{{Binding: Table()[4], Routes: []Route{upload, upload}}}, "no place for a handler of livechat.media.uploaded.v1"},
		"twice": {[]Worker{
			{Binding: Table()[4], Routes: []Route{upload}, Subscriber: closing{}},
			{Binding: Table()[4], Routes: []Route{upload}, Subscriber: closing{}},
		}, `worker "media" is given twice`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(Config{Workers: tt.workers, DeadLetters: &graveyard{}, Logger: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestMetricsAreWellFormedAndStartAtZero(t *testing.T) {
	work(t, func(context.Context, *bench) error { return nil }, func(b *bench) {
		problems, err := testutil.GatherAndLint(b.metrics)
		if err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
		series, err := testutil.GatherAndCount(b.metrics)
		want := 4 + len(failures()) + len(messages.Reasons()) // one worker
		if err != nil || series != want {
			t.Errorf("%d series before the first event, want %d (%v)", series, want, err)
		}
	})
}
