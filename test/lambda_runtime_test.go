package test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/go-json-experiment/json"

	transport "github.com/livepipe/livepipe/internal/amazon"
)

// lambdaRuntime stands in for AWS Lambda around one function: it speaks the Runtime API of custom runtimes
// (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), and as much of the Extensions API as asks for a SIGTERM.
type lambdaRuntime struct {
	*httptest.Server
	t           testing.TB
	invocations chan invocation
	answers     chan lambdaAnswer
	extension   chan struct{} // closed when the process has asked for a SIGTERM
	calls       int
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
}

// lambdaAnswer is what the function said about an invocation.
type lambdaAnswer struct {
	id     string
	failed bool // the function's error, which brings the whole batch back
	body   string
	at     time.Time
}

func newLambdaRuntime(t testing.TB) *lambdaRuntime {
	l := &lambdaRuntime{
		t: t, invocations: make(chan invocation), answers: make(chan lambdaAnswer, 1), extension: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", l.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		l.take(w, r, false)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		l.take(w, r, true)
	})
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "one")
		close(l.extension)
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // it asked for no events
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close) // after the process has ended
	return l
}

func (l *lambdaRuntime) next(w http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case i := <-l.invocations:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:livepipe")
		w.Write(i.event)
	}
}

func (l *lambdaRuntime) take(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Error(err)
	}
	l.answers <- lambdaAnswer{r.PathValue("id"), failed, string(body), time.Now()}
	w.WriteHeader(http.StatusAccepted)
}

// start runs the function's process.
func (l *lambdaRuntime) start(env []string, workers string) *process {
	l.t.Helper()
	env = slices.Concat(env, []string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(l.URL, "http://")})
	return start(l.t, env, "lambda", "--workers="+workers)
}

// begin hands an event to the function and does not wait for the answer.
func (l *lambdaRuntime) begin(event events.SQSEvent, timeout time.Duration) invocation {
	l.t.Helper()
	text, err := json.Marshal(event)
	if err != nil {
		l.t.Fatal(err)
	}
	l.calls++
	i := invocation{strconv.Itoa(l.calls), text, time.Now().Add(timeout)}
	select {
	case l.invocations <- i:
	case <-time.After(limit):
		l.t.Fatal("the function does not ask for its next invocation")
	}
	return i
}

// end waits for the answer and returns the messages that it reports as failed.
func (l *lambdaRuntime) end(i invocation) []string {
	l.t.Helper()
	var a lambdaAnswer
	select {
	case a = <-l.answers:
	case <-time.After(limit):
		l.t.Fatal("the function does not answer")
	}
	if a.id != i.id || a.failed || a.at.After(i.deadline) {
		l.t.Fatalf("answer to %s of %s: %+v", i.id, i.deadline, a)
	}
	if !strings.HasPrefix(a.body, `{"batchItemFailures":[`) {
		l.t.Fatalf("answer %s", a.body)
	}
	var answer events.SQSEventResponse
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		l.t.Fatal(err)
	}
	failed := []string{}
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

func (l *lambdaRuntime) invoke(event events.SQSEvent) []string {
	l.t.Helper()
	return l.end(l.begin(event, 30*time.Second))
}

// recorded is an event as AWS Lambda sends it, of messages that came through SNS and SQS. Its queue is the worker's.
func recorded(t testing.TB, name, prefix string) events.SQSEvent {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "lambda", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "PREFIX", prefix)), &event); err != nil {
		t.Fatal(err)
	}
	return event
}

// names are the messages of an event, by its indexes or all.
func names(event events.SQSEvent, indexes ...int) []string {
	all := []string{}
	for i, m := range event.Records {
		if len(indexes) == 0 || slices.Contains(indexes, i) {
			all = append(all, m.MessageId)
		}
	}
	return all
}

// sqsQueue is a queue as the service of event source mappings sees it.
type sqsQueue struct {
	t    *testing.T
	name string
	url  *string
	sqs  *sqs.Client
}

func openQueue(t *testing.T, name string) *sqsQueue {
	t.Helper()
	settings, err := transport.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	q := &sqsQueue{t: t, name: name, sqs: sqs.NewFromConfig(settings)}
	found, err := q.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	q.url = found.QueueUrl
	return q
}

// send puts a recorded message into the queue.
func (q *sqsQueue) send(m events.SQSMessage) {
	q.t.Helper()
	attributes := map[string]sqstypes.MessageAttributeValue{}
	for name, v := range m.MessageAttributes {
		attributes[name] = sqstypes.MessageAttributeValue{DataType: &v.DataType, StringValue: v.StringValue}
	}
	_, err := q.sqs.SendMessage(q.t.Context(), &sqs.SendMessageInput{
		QueueUrl: q.url, MessageBody: &m.Body, MessageAttributes: attributes,
		MessageGroupId: aws.String(m.Attributes["MessageGroupId"]), MessageDeduplicationId: &m.MessageId,
	})
	if err != nil {
		q.t.Fatal(err)
	}
}

// receive waits for messages and makes an event of them. The queue's own visibility timeout hides them.
func (q *sqsQueue) receive() events.SQSEvent {
	q.t.Helper()
	for begun := time.Now(); time.Since(begun) < limit; {
		out, err := q.sqs.ReceiveMessage(q.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: q.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			q.t.Fatal(err)
		}
		var event events.SQSEvent
		for _, m := range out.Messages {
			attributes := map[string]events.SQSMessageAttribute{}
			for name, v := range m.MessageAttributes {
				attributes[name] = events.SQSMessageAttribute{DataType: *v.DataType, StringValue: v.StringValue}
			}
			event.Records = append(event.Records, events.SQSMessage{
				MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body,
				Attributes: m.Attributes, MessageAttributes: attributes,
				EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:" + q.name,
			})
		}
		if len(event.Records) > 0 {
			return event
		}
	}
	q.t.Fatal("nothing comes")
	return events.SQSEvent{}
}

func (q *sqsQueue) remove(m events.SQSMessage) {
	q.t.Helper()
	_, err := q.sqs.DeleteMessage(q.t.Context(), &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: &m.ReceiptHandle})
	if err != nil {
		q.t.Fatal(err)
	}
}
