package amazon

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// ways are the two ways out of a bus, which must behave alike.
func ways(t *testing.T, test func(t *testing.T, f *fakeAWS, send func(...*message.Message) error)) {
	t.Run("topic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeAWS{}
			pub := f.open(t, Config{}).Publisher()
			test(t, f, func(msgs ...*message.Message) error { return pub.Publish("message", msgs...) })
		})
	})
	t.Run("queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeAWS{}
			b := f.open(t, Config{})
			test(t, f, func(msgs ...*message.Message) error { return b.sendToQueue("queue", msgs...) })
		})
	})
}

func named(names ...string) []*message.Message {
	msgs := make([]*message.Message, len(names))
	for i, name := range names {
		msgs[i] = message.NewMessage("evt_"+name, []byte(name))
	}
	return msgs
}

func digits() []*message.Message { return named(strings.Split("0123456789", "")...) }

// F9, over HTTP: the answer is 200, with three failed entries inside.
func TestF9PartlyFailedAnswer(t *testing.T) {
	ways(t, func(t *testing.T, f *fakeAWS, send func(...*message.Message) error) {
		failing := map[string]bool{"2": true, "5": true, "7": true}
		f.fail = func(body string) *failure {
			if !failing[body] {
				return nil
			}
			delete(failing, body)
			return &failure{code: "InternalError"}
		}
		if err := send(digits()...); err != nil {
			t.Fatal(err)
		}
		for body, times := range f.sent() {
			if want := 1 + strings.Count("2 5 7", body); times != want {
				t.Errorf("%s was sent %d times, want %d", body, times, want)
			}
		}
	})
}

// F9, over HTTP: ten callers in one batch, one of which sent what is refused.
func TestF9RefusedEntryIsItsCallersAlone(t *testing.T) {
	ways(t, func(t *testing.T, f *fakeAWS, send func(...*message.Message) error) {
		f.fail = func(body string) *failure {
			if body == "4" {
				return &failure{"InvalidParameter", true}
			}
			return nil
		}
		var callers sync.WaitGroup
		for _, msg := range digits() {
			callers.Go(func() {
				err := send(msg)
				var final *messages.PermanentError
				if refused := errors.As(err, &final); refused != (string(msg.Payload) == "4") || !refused && err != nil {
					t.Errorf("caller %s got %v", msg.Payload, err)
				}
			})
		}
		callers.Wait()
		if n := f.sent()["4"]; n != 1 {
			t.Errorf("what was refused was sent %d times", n)
		}
	})
}

// What an answer means for its caller: what AWS will never take is final and is not sent again; everything else is an
// outage that is tried until the deadline. No error says what was in the message.
func TestAnswersAndWhatTheyMean(t *testing.T) {
	xmlError := func(status int, code string) func(*http.Request) (*http.Response, error) {
		return func(req *http.Request) (*http.Response, error) {
			text := `<ErrorResponse><Error><Type>Sender</Type><Code>` + code + `</Code><Message>about private text</Message></Error></ErrorResponse>`
			if req.Header.Get("X-Amz-Target") != "" {
				text = `{"__type":"com.amazonaws.sqs#` + code + `","message":"about private text"}`
			}
			return respond(status, text), nil
		}
	}
	body := func(status int, text string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return respond(status, text), nil }
	}
	for _, test := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		entry  *failure
		final  bool
	}{
		{name: "entry refused", entry: &failure{"InvalidParameter", true}, final: true},
		{name: "entry with characters that SQS refuses", entry: &failure{"InvalidMessageContents", true}, final: true},
		{name: "entry too large", entry: &failure{"AWS.SimpleQueueService.MessageTooLong", true}, final: true},
		{name: "entry throttled", entry: &failure{"ThrottledException", true}},
		{name: "entry without permission", entry: &failure{"AuthorizationError", true}},
		{name: "entry whose key is disabled", entry: &failure{"KMSDisabled", true}},
		{name: "entry failed inside", entry: &failure{"InternalError", false}},
		{name: "call refused", answer: xmlError(400, "InvalidParameterValue"), final: true},
		{name: "call too long", answer: xmlError(400, "BatchRequestTooLong"), final: true},
		{name: "call throttled", answer: xmlError(400, "ThrottledException")},
		{name: "request throttled", answer: xmlError(403, "RequestThrottled")},
		{name: "credentials expired", answer: xmlError(403, "ExpiredToken")},
		{name: "no permission", answer: xmlError(403, "AuthorizationError")},
		{name: "topic or queue gone", answer: xmlError(404, "NotFound")},
		{name: "internal error", answer: xmlError(500, "InternalFailure")},
		{name: "a proxy's error", answer: body(503, "<html>private text</html>")},
		{name: "not an answer", answer: body(200, "private text")},
		{name: "an answer that mentions nothing", answer: body(200, "{}")},
		{name: "connection reset", answer: func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ways(t, func(t *testing.T, f *fakeAWS, send func(...*message.Message) error) {
				f.answer = test.answer
				f.fail = func(string) *failure { return test.entry }
				start := time.Now()
				err := send(named("private text")...)
				var final *messages.PermanentError
				switch refused := errors.As(err, &final); {
				case test.final && (!refused || len(f.calls) != 1 || final.Reason != messages.ReasonRefused):
					t.Errorf("got %v after %d calls, want it refused after one", err, len(f.calls))
				case !test.final && (refused || !messages.IsUnavailable(err) || len(f.calls) < 4 || time.Since(start) != publishTimeout):
					t.Errorf("got %v after %d calls in %v, want an outage after several in 3 s", err, len(f.calls), time.Since(start))
				case strings.Contains(err.Error(), "private"):
					t.Errorf("the error quotes the message: %v", err)
				}
			})
		})
	}
}

// F17: the network swallows requests, or brings answers a byte at a time. Callers get their answer in time, and the
// bubble fails the test if a goroutine stays.
func TestF17SlowNetworkIsBounded(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"black hole": func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		},
		"a byte a second": func(req *http.Request) (*http.Response, error) {
			resp := respond(http.StatusOK, "")
			resp.Body, resp.ContentLength = &dripping{req: req}, -1
			return resp, nil
		},
		"reset after 2 s": func(req *http.Request) (*http.Response, error) {
			select {
			case <-time.After(2 * time.Second):
				return nil, syscall.ECONNRESET
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ways(t, func(t *testing.T, f *fakeAWS, send func(...*message.Message) error) {
				f.answer = answer
				start := time.Now()
				var callers sync.WaitGroup
				for i := range 300 {
					callers.Go(func() {
						if err := send(named(strconv.Itoa(i))...); !messages.IsUnavailable(err) {
							t.Errorf("got %v", err)
						}
					})
				}
				callers.Wait()
				if took := time.Since(start); took > publishTimeout {
					t.Errorf("callers waited %v", took)
				}
			})
		})
	}
}

// dripping is an answer of one byte a second.
type dripping struct{ req *http.Request }

func (d *dripping) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.req.Context().Done():
		return 0, d.req.Context().Err()
	}
}

func (d *dripping) Close() error { return nil }

// What SNS would confirm and nobody would ever see is not sent.
func TestUnknownTopicIsRefused(t *testing.T) {
	f := &fakeAWS{}
	err := f.open(t, Config{}).Publisher().Publish("nobody", named("a")...)
	var final *messages.PermanentError
	if !errors.As(err, &final) || final.Reason != messages.ReasonUnrouted || len(f.calls) > 0 {
		t.Errorf("got %v after %d calls", err, len(f.calls))
	}
}

func TestClosedPublisherAndBusRefuse(t *testing.T) {
	f := &fakeAWS{}
	b := f.open(t, Config{})
	pub, other := b.Publisher(), b.Publisher()
	for range 2 {
		if err := pub.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := pub.Publish("message", named("a")...); !messages.IsUnavailable(err) {
		t.Errorf("closed publisher: %v", err)
	}
	if err := other.Publish("message", named("b")...); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := other.Publish("message", named("c")...); !messages.IsUnavailable(err) {
		t.Errorf("closed bus: %v", err)
	}
}
