package amazon

import (
	"crypto/md5" //nolint:gosec // SQS answers with it
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-json-experiment/json"
)

// failure is a failed entry of a batch answer.
type failure struct {
	code        string
	senderFault bool
}

// fakeAWS speaks the SDK's protocols for batches: XML for SNS, JSON for SQS. Every body is confirmed unless fail says
// otherwise; answer takes a whole call over.
type fakeAWS struct {
	fail   func(body string) *failure
	answer func(req *http.Request) (*http.Response, error)

	mu    sync.Mutex
	calls [][]string // bodies
}

// open makes a bus with one topic and one queue.
func (f *fakeAWS) open(t *testing.T, cfg Config) *Bus {
	t.Helper()
	cfg.AWS = aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://aws.test"),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:  &http.Client{Transport: f},
	}
	cfg.Queues = []Queue{{Name: "history", Topics: []string{"message"}}}
	b, err := connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *fakeAWS) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	target := req.Header.Get("X-Amz-Target")
	form, _ := url.ParseQuery(string(body))
	switch {
	case form.Get("Action") == "GetCallerIdentity":
		return respond(http.StatusOK, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>000000000000</Account>`+
			`</GetCallerIdentityResult></GetCallerIdentityResponse>`), nil
	case target == "AmazonSQS.GetQueueUrl":
		return respond(http.StatusOK, `{"QueueUrl":"http://aws.test/000000000000/queue"}`), nil
	}
	bodies := snsBodies(form)
	if target != "" {
		bodies = sqsBodies(body)
	}
	f.mu.Lock()
	f.calls = append(f.calls, bodies)
	f.mu.Unlock()
	switch {
	case f.answer != nil:
		return f.answer(req)
	case target != "":
		return f.sqsAnswer(bodies), nil
	default:
		return f.snsAnswer(bodies), nil
	}
}

func snsBodies(form url.Values) (bodies []string) {
	for i := 1; form.Has(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Id", i)); i++ {
		bodies = append(bodies, form.Get(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Message", i)))
	}
	return bodies
}

func sqsBodies(call []byte) (bodies []string) {
	var in struct {
		Entries []struct{ MessageBody string }
	}
	_ = json.Unmarshal(call, &in)
	for _, e := range in.Entries {
		bodies = append(bodies, e.MessageBody)
	}
	return bodies
}

// snsAnswer numbers entries as the publisher does.
func (f *fakeAWS) snsAnswer(bodies []string) *http.Response {
	var ok, bad strings.Builder
	for i, body := range bodies {
		if why := f.why(body); why != nil {
			fmt.Fprintf(&bad, `<member><Id>%d</Id><Code>%s</Code><SenderFault>%t</SenderFault><Message>about %s</Message></member>`,
				i, why.code, why.senderFault, body)
		} else {
			fmt.Fprintf(&ok, `<member><Id>%d</Id><MessageId>m</MessageId></member>`, i)
		}
	}
	return respond(http.StatusOK, `<PublishBatchResponse><PublishBatchResult><Successful>`+ok.String()+`</Successful><Failed>`+
		bad.String()+`</Failed></PublishBatchResult></PublishBatchResponse>`)
}

func (f *fakeAWS) sqsAnswer(bodies []string) *http.Response {
	ok, bad := []string{}, []string{}
	for i, body := range bodies {
		if why := f.why(body); why != nil {
			bad = append(bad, fmt.Sprintf(`{"Id":"%d","Code":%q,"SenderFault":%t}`, i, why.code, why.senderFault))
			continue
		}
		sum := md5.Sum([]byte(body)) //nolint:gosec // as above
		ok = append(ok, fmt.Sprintf(`{"Id":"%d","MessageId":"m","MD5OfMessageBody":%q}`, i, hex.EncodeToString(sum[:])))
	}
	return respond(http.StatusOK, `{"Successful":[`+strings.Join(ok, ",")+`],"Failed":[`+strings.Join(bad, ",")+`]}`)
}

func (f *fakeAWS) why(body string) *failure {
	if f.fail == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail(body)
}

// sent is how often each body went over the wire.
func (f *fakeAWS) sent() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := map[string]int{}
	for _, call := range f.calls {
		for _, body := range call {
			n[body]++
		}
	}
	return n
}

func respond(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Length": {strconv.Itoa(len(body))}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}
