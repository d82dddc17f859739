package amazon_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-json-experiment/json"
)

// fakeSQS is an SQS for the bubble of testing/synctest: it speaks AWS JSON 1.0 without a network, keeps visibility by the
// bubble's clock, and goes on with a receive that the client gave up, as SQS does.
type fakeSQS struct {
	// refuse, when set, decides about each call before it takes effect.
	refusing atomic.Pointer[func(sqsCall) error]
	// reject, when set, decides about each entry of a batch call, and returns the code to fail it with.
	reject func(sqsCall, sqsEntry) string
	// lose makes the network fail after the call has taken effect.
	lose func(sqsCall) bool

	mu      sync.Mutex
	queues  map[string]*fakeQueue
	changed chan struct{} // closed and replaced when something may have become visible
	calls   []sqsCall
	puts    int
	open    int // receives
	mostly  int // the most receives that were open at once
}

type fakeQueue struct{ messages []*fakeMessage }

type fakeMessage struct {
	id, body, group string
	attributes      map[string]string
	binary          bool // the UUID's attribute is binary
	sent, visible   time.Time
	received        int
	handle          string
}

// sqsCall is one request.
type sqsCall struct {
	Op                      string `json:"-"`
	QueueURL                string `json:"QueueUrl"`
	QueueName               string
	MaxNumberOfMessages     int
	WaitTimeSeconds         int
	VisibilityTimeout       int
	ReceiveRequestAttemptID string `json:"ReceiveRequestAttemptId"`
	Entries                 []sqsEntry
	at                      time.Time
}

type sqsEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout int
}

// What reject may answer besides a code of SQS.
const (
	unanswered = "entry not mentioned"
	ignored    = "entry successful and without effect"
)

// latency is that of every call.
const latency = 5 * time.Millisecond

// newFakeSQS must be made before what uses it: its end waits for receives that were given up.
func newFakeSQS(t *testing.T) *fakeSQS {
	t.Cleanup(func() { time.Sleep(20 * time.Second) })
	return &fakeSQS{queues: map[string]*fakeQueue{}, changed: make(chan struct{})}
}

func (f *fakeSQS) config() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sqs.invalid"), HTTPClient: &http.Client{Transport: f},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func (f *fakeSQS) queue(name string) *fakeQueue {
	if f.queues[name] == nil {
		f.queues[name] = &fakeQueue{}
	}
	return f.queues[name]
}

// put adds a message to the queue with this full name.
func (f *fakeSQS) put(queue string, m fakeMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queue(queue)
	m.sent = time.Now()
	f.puts++
	m.id = cmp.Or(m.id, fmt.Sprintf("m-%s-%d", queue, f.puts-1))
	q.messages = append(q.messages, &m)
	f.wake()
}

func (f *fakeSQS) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// count returns how many messages of a queue are visible, and how many hidden.
func (f *fakeSQS) count(queue string) (visible, hidden int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.queue(queue).messages {
		if m.visible.After(time.Now()) {
			hidden++
		} else {
			visible++
		}
	}
	return visible, hidden
}

// mostReceived returns how often one of a queue's messages was received.
func (f *fakeSQS) mostReceived(queue string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	most := 0
	for _, m := range f.queue(queue).messages {
		most = max(most, m.received)
	}
	return most
}

// called returns the calls of an operation so far.
func (f *fakeSQS) called(op string) []sqsCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.calls), func(c sqsCall) bool { return c.Op != op })
}

// receives returns how many are open, and the most that were since the last call.
func (f *fakeSQS) receives() (open, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	open, most = f.open, f.mostly
	f.mostly = f.open
	return open, most
}

// refuse makes calls fail for which why is an error; nil ends that. Calls may be under way.
func (f *fakeSQS) refuse(why func(sqsCall) error) {
	if why == nil {
		f.refusing.Store(nil)
		return
	}
	f.refusing.Store(&why)
}

// RoundTrip implements http.RoundTripper.
func (f *fakeSQS) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	call := sqsCall{Op: strings.TrimPrefix(req.Header.Get("X-Amz-Target"), "AmazonSQS."), at: time.Now()}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()
	if refuse := f.refusing.Load(); refuse != nil {
		if err := (*refuse)(call); err != nil {
			return nil, err
		}
	}
	answered := make(chan any, 1)
	go func() {
		if call.Op == "ReceiveMessage" {
			f.begin()
		}
		time.Sleep(latency)
		answer := f.answer(call)
		if call.Op == "ReceiveMessage" {
			f.end()
		}
		answered <- answer
	}()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case answer := <-answered:
		if f.lose != nil && f.lose(call) {
			return nil, errCut
		}
		text, err := json.Marshal(answer)
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{
				"Content-Type": {"application/x-amz-json-1.0"}, "Date": {time.Now().UTC().Format(http.TimeFormat)},
			},
			Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)), Request: req,
		}, err
	}
}

func (f *fakeSQS) answer(call sqsCall) any {
	queue := call.QueueURL[strings.LastIndex(call.QueueURL, "/")+1:]
	switch call.Op {
	case "GetQueueUrl":
		return map[string]any{"QueueUrl": "http://sqs.invalid/1/" + call.QueueName}
	case "ReceiveMessage":
		return map[string]any{"Messages": f.receive(queue, call)}
	case "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		return f.batch(queue, call)
	}
	panic("fake SQS knows no " + call.Op)
}

func (f *fakeSQS) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	f.mostly = max(f.mostly, f.open)
}

func (f *fakeSQS) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
}

// receive waits as long as the call says, whether or not the client still does.
func (f *fakeSQS) receive(queue string, call sqsCall) []any {
	deadline := call.at.Add(latency + time.Duration(call.WaitTimeSeconds)*time.Second)
	for {
		f.mu.Lock()
		got, next := f.take(queue, call)
		changed := f.changed
		f.mu.Unlock()
		if len(got) > 0 || !time.Now().Before(deadline) {
			return got
		}
		if next.IsZero() || next.After(deadline) {
			next = deadline
		}
		ctx, cancel := context.WithDeadline(context.Background(), next)
		select {
		case <-changed:
		case <-ctx.Done():
		}
		cancel()
	}
}

// take receives what is visible, and says when something else will be. A group of which something is hidden shows
// nothing else, as on a FIFO queue.
func (f *fakeSQS) take(queue string, call sqsCall) (got []any, next time.Time) {
	now := time.Now()
	fifo := strings.HasSuffix(queue, ".fifo")
	busy := map[string]bool{}
	for _, m := range f.queue(queue).messages {
		if m.visible.After(now) {
			busy[m.group] = true
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
		}
	}
	for _, m := range f.queue(queue).messages {
		if len(got) == call.MaxNumberOfMessages {
			break
		}
		if m.visible.After(now) || fifo && busy[m.group] {
			continue
		}
		m.received++
		m.visible = now.Add(time.Duration(call.VisibilityTimeout) * time.Second)
		m.handle = fmt.Sprintf("%s#%d", m.id, m.received)
		got = append(got, m.wire())
	}
	return got, next
}

func (m *fakeMessage) wire() any {
	sum := md5.Sum([]byte(m.body))
	attributes := map[string]any{}
	for k, v := range m.attributes {
		attributes[k] = map[string]string{"DataType": "String", "StringValue": v}
	}
	if m.binary {
		attributes["_watermill_message_uuid"] = map[string]any{"DataType": "Binary", "BinaryValue": []byte("x")}
	}
	return map[string]any{
		"MessageId": m.id, "ReceiptHandle": m.handle, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:]),
		"MessageAttributes": attributes,
		"Attributes": map[string]string{
			"ApproximateReceiveCount": strconv.Itoa(m.received), "MessageGroupId": m.group,
			"SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10),
		},
	}
}

// batch deletes or hides. A receipt counts until its message is received again.
func (f *fakeSQS) batch(queue string, call sqsCall) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	successful, failed := []any{}, []any{}
	q := f.queue(queue)
	for _, e := range call.Entries {
		code := ""
		if f.reject != nil {
			code = f.reject(call, e)
		}
		at := slices.IndexFunc(q.messages, func(m *fakeMessage) bool { return m.handle == e.ReceiptHandle })
		if code == "" && call.Op == "ChangeMessageVisibilityBatch" {
			switch {
			case at < 0:
				code = "InvalidParameterValue"
			case !q.messages[at].visible.After(time.Now()):
				code = "MessageNotInflight"
			}
		}
		switch {
		case code == unanswered:
			continue
		case code == ignored:
		case code != "":
			failed = append(failed, map[string]any{"Id": e.ID, "Code": code, "SenderFault": false, "Message": e.ReceiptHandle})
			continue
		case at < 0: // what is gone can be deleted again
		case call.Op == "DeleteMessageBatch":
			q.messages = slices.Delete(q.messages, at, at+1)
		default:
			q.messages[at].visible = time.Now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
		}
		successful = append(successful, map[string]any{"Id": e.ID})
	}
	f.wake()
	return map[string]any{"Successful": successful, "Failed": failed}
}
