package amazon

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/livepipe/livepipe/internal/bus"
)

// BenchmarkPublish is the way of an event from Publish to its confirmation, 64 callers at once, 512-byte bodies, without
// a network: once up to the call, and once with the SDK, which serializes and signs it and parses the answer.
func BenchmarkPublish(b *testing.B) {
	b.Run("batcher", func(b *testing.B) {
		var calls atomic.Int64
		bus := &Bus{}
		to := newBatcher("topic bench", func(_ context.Context, batch []entry) []error {
			calls.Add(1)
			return make([]error, len(batch))
		}, maxMessage, 0, false)
		publishAll(b, bus, to)
		b.ReportMetric(float64(calls.Load())/float64(b.N), "calls/op")
	})
	b.Run("sdk", func(b *testing.B) {
		f := &answering{}
		bus := &Bus{sns: sns.NewFromConfig(aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String("http://aws.test"), HTTPClient: &http.Client{Transport: f},
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		})}
		publishAll(b, bus, newBatcher("topic bench", bus.toTopic("arn:aws:sns:us-east-1:000000000000:t"), maxMessage, 0, false))
		b.ReportMetric(float64(f.calls.Load())/float64(b.N), "calls/op")
	})
}

func publishAll(b *testing.B, on *Bus, to *batcher) {
	const head = `{"specversion":"1.0","id":"evt_1","source":"/livechat/org123/lc-789","data":"`
	body := []byte(head + strings.Repeat("x", 512-len(head)-2) + `"}`)
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		for pb.Next() {
			msg := message.NewMessage("evt_wqa4rfn5rdnoxu5wivyhkvyul6x3roja", body)
			msg.Metadata[bus.MetadataType], msg.Metadata[bus.MetadataLane] = "livechat.message.received.v1", "kt3mrlxy63i4bfhn6d2mqckasc"
			msg.SetContext(ctx)
			if err := on.publish(to, "bench", []*message.Message{msg}, nil); err != nil {
				b.Error(err)
			}
		}
	})
}

// answering confirms every call.
type answering struct{ calls atomic.Int64 }

func (a *answering) RoundTrip(req *http.Request) (*http.Response, error) {
	a.calls.Add(1)
	if err := req.Body.Close(); err != nil {
		return nil, err
	}
	return (&fakeAWS{}).snsAnswer(make([]string, maxBatch)), nil
}
