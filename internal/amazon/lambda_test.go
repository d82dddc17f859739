package amazon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/messages"
)

// function is a Lambda function with a history worker, which invocations find warm.
type function struct {
	*amazon.Lambda
	t    *testing.T
	sqs  *fakeSQS
	sub  *lanes.Subscriber
	fifo bool

	mu      sync.Mutex
	started []string
}

// newFunction runs the engine, and work as its handler. Both stop with the test.
func newFunction(t *testing.T, cfg amazon.Config, work func(*message.Message) error) *function {
	t.Helper()
	f := &function{t: t, sqs: newFakeSQS(t), fifo: cfg.FIFO}
	cfg.AWS, cfg.Prefix, cfg.Logger = f.sqs.config(), "t", testLogger(t)
	f.Lambda = amazon.Bare(cfg).Lambda("history")
	var err error
	if f.sub, err = lanes.New(f.Engine(), f.Source, testLogger(t), lanes.NewMetrics(prometheus.NewRegistry())); err != nil {
		t.Fatal(err)
	}
	incoming, err := f.sub.Subscribe(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.sub.Close() })
	go func() {
		for msg := range incoming {
			f.mu.Lock()
			f.started = append(f.started, msg.UUID)
			f.mu.Unlock()
			go func() { // as Watermill's router does
				if err := work(msg); err != nil {
					lanes.Fail(msg.Context(), err)
					msg.Nack()
					return
				}
				msg.Ack()
			}()
		}
	}()
	return f
}

// invoke is one call of the function, which has 30 seconds. It returns the names that the answer tells as failed.
func (f *function) invoke(records ...events.SQSMessage) []string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	answer, err := f.Handle(ctx, events.SQSEvent{Records: records})
	if err != nil {
		f.t.Fatal(err)
	}
	if ctx.Err() != nil {
		f.t.Error("answered after the deadline")
	}
	return names(answer)
}

func names(answer events.SQSEventResponse) []string {
	failed := []string{}
	for _, item := range answer.BatchItemFailures {
		failed = append(failed, item.ItemIdentifier)
	}
	return failed
}

func (f *function) expect(what string, got []string, want ...string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// record is a message of a lane as an event source brings it: "a2" is the second of lane a.
func (f *function) record(name string) events.SQSMessage {
	queue := "arn:aws:sqs:us-east-1:123456789012:t-history"
	attributes := map[string]string{"ApproximateReceiveCount": "1"}
	if f.fifo {
		queue += ".fifo"
		attributes["MessageGroupId"] = "group-" + name[:1]
	}
	text := func(s string) events.SQSMessageAttribute {
		return events.SQSMessageAttribute{DataType: "String", StringValue: aws.String(s)}
	}
	return events.SQSMessage{
		MessageId: name, ReceiptHandle: "receipt-" + name, Body: `{"n":` + strconv.Itoa(len(name)) + `}`,
		Attributes:     attributes,
		EventSourceARN: queue,
		MessageAttributes: map[string]events.SQSMessageAttribute{
			"_watermill_message_uuid": text(name), "lane": text("lane-" + name[:1]),
		},
	}
}

func (f *function) records(names ...string) []events.SQSMessage {
	var all []events.SQSMessage
	for _, name := range names {
		all = append(all, f.record(name))
	}
	return all
}

// delays are the names and seconds of messages that were told when to come again.
func (f *function) delays() map[string]int {
	delays := map[string]int{}
	for _, call := range f.sqs.called("ChangeMessageVisibilityBatch") {
		for _, e := range call.Entries {
			delays[strings.TrimPrefix(e.ReceiptHandle, "receipt-")] = e.VisibilityTimeout
		}
	}
	return delays
}

// failFor is a handler that fails for the messages named.
func failFor(err error, named ...string) func(*message.Message) error {
	return func(msg *message.Message) error {
		if slices.Contains(named, msg.UUID) {
			return err
		}
		return nil
	}
}

var errBroken = errors.New("broken")

func TestLambdaAnswersWithWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFunction(t, amazon.Config{}, failFor(errBroken, "b1"))
		f.expect("failed", f.invoke(f.records("a1", "b1", "c1")...), "b1")
		f.expect("failed of a good batch", f.invoke(f.records("d1", "e1")...))
		f.expect("failed of no batch", f.invoke())
	})
}

// Order per conversation: nothing runs behind a failed head, and nothing else is held up.
func TestLambdaKeepsTheOrderOfALane(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("FIFO %t", fifo), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFunction(t, amazon.Config{FIFO: fifo}, failFor(errBroken, "a2"))
				f.expect("failed", f.invoke(f.records("a1", "a2", "b1", "a3", "b2", "a4")...), "a2", "a3", "a4")
				for _, behind := range []string{"a3", "a4"} {
					if slices.Contains(f.started, behind) {
						t.Errorf("%s ran behind a failed one: %v", behind, f.started)
					}
				}
			})
		})
	}
}

// What failed comes again soon, its followers with it, and what was handled is left to Lambda.
func TestLambdaTellsWhenWhatFailedComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := messages.Postpone(40*time.Second, errBroken)
		f := newFunction(t, amazon.Config{FIFO: true}, func(msg *message.Message) error {
			return map[string]error{"a1": errBroken, "b1": later}[msg.UUID]
		})
		f.expect("failed", f.invoke(f.records("a1", "a2", "b1", "c1")...), "a1", "a2", "b1")
		delays := f.delays()
		if len(delays) != 3 || delays["a1"] != 1 || delays["a2"] != 1 || delays["b1"] != 40 {
			t.Errorf("delays %v", delays)
		}
	})
}

// The delay is a courtesy: without it a message comes when its queue no longer hides it.
func TestLambdaAnswersWithoutSQS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFunction(t, amazon.Config{}, failFor(errBroken, "a1"))
		f.sqs.refuse(func(sqsCall) error { return errors.New("SQS is down") })
		f.expect("failed", f.invoke(f.records("a1", "b1")...), "a1")
	})
}

// An outage hands everything back, and leaves the function ready for the next batch.
func TestLambdaIsHealthyAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		f := newFunction(t, amazon.Config{}, func(*message.Message) error {
			if down {
				return messages.Unavailable(errBroken)
			}
			return nil
		})
		for range 3 {
			f.expect("failed while the store is down", f.invoke(f.records("a1", "a2", "b1")...), "a1", "a2", "b1")
		}
		down = false
		begun := time.Now()
		f.expect("failed afterwards", f.invoke(f.records("a1", "a2", "b1")...))
		if took := time.Since(begun); took > 0 {
			t.Errorf("the first batch after the outage took %s", took)
		}
	})
}

// A function that runs into its timeout fails its whole batch and loses its process. So handlers are told to return
// shortly before, what was not started never is, and the answer comes in time even if a handler does not listen.
func TestLambdaAnswersBeforeTheDeadline(t *testing.T) {
	for _, listens := range []bool{true, false} {
		t.Run(fmt.Sprintf("handler listens %t", listens), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var begun time.Time
				f := newFunction(t, amazon.Config{}, func(msg *message.Message) error {
					if msg.UUID != "a2" || time.Since(begun) > time.Minute {
						return nil
					}
					if !listens {
						<-release
						return nil
					}
					<-msg.Context().Done()
					return messages.Postpone(0, msg.Context().Err()) // as the router says for a message of which the context ended
				})
				begun = time.Now()
				f.expect("failed", f.invoke(f.records("a1", "a2", "a3", "b1")...), "a2", "a3")
				if took := time.Since(begun); took < 27*time.Second || took > 29*time.Second {
					t.Errorf("answered after %s of 30", took)
				}
				close(release) // the late outcome is nobody's
				time.Sleep(time.Minute)
				f.expect("failed of the next batch", f.invoke(f.records("a2", "a3")...))
				f.expect("started", f.started[3:], "a2", "a3")
			})
		})
	}
}

// An event source with a queue that no worker has is a mistake of the setup, which must not lose events.
func TestLambdaReportsAQueueThatNoWorkerHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFunction(t, amazon.Config{}, failFor(nil))
		strange := f.records("x1", "x2")
		for i := range strange {
			strange[i].EventSourceARN = "arn:aws:sqs:us-east-1:123456789012:t-media"
		}
		f.expect("failed", f.invoke(strange...), "x1", "x2")
		f.expect("failed among others", f.invoke(append(strange, f.records("a1")...)...), "x1", "x2")
		f.expect("started", f.started, "a1")
	})
}

// An empty itemIdentifier means the whole batch, so it is never sent: the same is said by an error.
func TestLambdaNeverAnswersWithAnEmptyName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFunction(t, amazon.Config{}, failFor(errBroken, "b1"))
		nameless := f.records("a1", "b1", "c1")
		nameless[0].MessageId = ""
		f.expect("failed, and another has no name", f.invoke(nameless...), "b1")
		nameless[1].MessageId = ""
		if answer, err := f.Handle(t.Context(), events.SQSEvent{Records: nameless}); err == nil {
			t.Errorf("answered %v", answer)
		}
	})
}

// What cannot be decoded is the router's to set aside: it comes as it is, with a name.
func TestLambdaHandsOnWhatIsNoMessageOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []*message.Message
		f := newFunction(t, amazon.Config{}, func(msg *message.Message) error {
			got = append(got, msg)
			return nil
		})
		hostile := events.SQSMessage{
			MessageId: "m-1", Body: "\xff not ours", EventSourceARN: f.record("a1").EventSourceARN,
			MessageAttributes: map[string]events.SQSMessageAttribute{
				"_watermill_message_uuid": {DataType: "Binary", BinaryValue: []byte("x")},
			},
		}
		f.expect("failed", f.invoke(hostile))
		if len(got) != 1 || got[0].UUID != "m-1" || string(got[0].Payload) != hostile.Body {
			t.Errorf("handled %v", got)
		}
	})
}

// noClaims is a store of large bodies that is down.
type noClaims struct{}

func (noClaims) Put(context.Context, string, []byte) error   { return errBroken }
func (noClaims) Get(context.Context, string) ([]byte, error) { return nil, errBroken }

// Large bodies are fetched before their handlers start. While that fails, the rest goes on, but nothing behind it in its
// group.
func TestLambdaWaitsForLargeBodies(t *testing.T) {
	digest := strings.Repeat("0", 64)
	claim := `{"specversion":"1.0","id":"evt_1","source":"/livechat/o/l","type":"livechat.message.received.v1",` +
		`"time":"2026-01-02T03:04:05Z","partitionkey":"k","datacontenttype":"application/json",` +
		`"dataref":"claims/` + digest + `","datadigest":"sha-256:` + digest + `"}`
	synctest.Test(t, func(t *testing.T) {
		f := newFunction(t, amazon.Config{FIFO: true, Claims: noClaims{}}, failFor(nil))
		batch := f.records("a1", "a2", "a3", "b1")
		batch[1].Body = claim
		f.expect("failed", f.invoke(batch...), "a2", "a3")
		f.expect("started", f.started, "a1", "b1")
	})
}

// A stop in the middle of a batch lets what runs finish, and its outcome counts.
func TestLambdaAnswersWhenItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFunction(t, amazon.Config{}, func(*message.Message) error {
			time.Sleep(2 * time.Second)
			return nil
		})
		go func() {
			time.Sleep(time.Second)
			_ = f.sub.Stop(context.Background())
		}()
		begun := time.Now()
		f.expect("failed", f.invoke(f.records("a1", "a2", "b1")...), "a2")
		f.expect("failed afterwards", f.invoke(f.records("c1")...), "c1")
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// An engine that has little room takes a batch in parts. The second part of a lane waits for the outcome of the first.
func TestLambdaGivesALaneInPartsOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &function{t: t} // for its records
		l := amazon.Bare(amazon.Config{Prefix: "t", Logger: testLogger(t)}).Lambda("history")
		queue, err := l.Source(t.Context(), "history")
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan []string)
		go func() {
			answer, err := l.Handle(t.Context(), events.SQSEvent{Records: f.records("a1", "a2", "a3", "b1", "a4")})
			if err != nil {
				t.Error(err)
			}
			answered <- names(answer)
		}()
		settle := func(action lanes.Action, batch ...lanes.Delivery) {
			for _, d := range batch {
				queue.Settle(t.Context(), []lanes.Settlement{{Receipt: d.Receipt, Action: action}})
			}
		}
		fetch := func(limit int, want ...string) (batch []lanes.Delivery) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			batch, _ = queue.Fetch(ctx, limit)
			var got []string
			for _, d := range batch {
				got = append(got, d.Message.UUID)
			}
			f.expect("fetched", got, want...)
			return batch
		}
		first, other := fetch(2, "a1", "a2"), fetch(2, "b1")
		settle(lanes.Ack, first[0])
		fetch(2) // nothing: a2 is under way
		settle(lanes.Ack, first[1])
		settle(lanes.Delay, fetch(1, "a3")...)
		fetch(2) // nothing: a4 stands behind a failed one
		settle(lanes.Ack, other...)
		f.expect("failed", <-answered, "a3", "a4")
	})
}
