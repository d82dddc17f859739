package amazon_test

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// rawClients is as many calls at once as ours makes at most.
const rawClients = 16

// raw is what the broker allows: the SDK's own batch calls on a topic and a queue behind the same proxy, with nothing
// around them. What ours lacks to it is ours; what it lacks to 25 x stock is the broker's and the machine's.
type raw struct {
	proxy *latencyProxy
	sns   *sns.Client
	sqs   *sqs.Client
	topic string
	queue *string
}

func newRaw(b *testing.B, endpoint string) *raw {
	b.Helper()
	p, config := provision(b, endpoint)
	r := &raw{
		proxy: p, sns: sns.NewFromConfig(config.AWS), sqs: sqs.NewFromConfig(config.AWS),
		topic: "arn:aws:sns:us-east-1:000000000000:" + config.Prefix + "-events",
	}
	found, err := r.sqs.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(config.Prefix + "-work")})
	if err != nil {
		b.Fatal(err)
	}
	r.queue = found.QueueUrl
	return r
}

// publish sends n events, ten to a call, and says how long that took.
func (r *raw) publish(b *testing.B, n int) time.Duration {
	b.Helper()
	body := strings.Repeat("x", bodySize)
	return r.together(func() bool {
		entries := make([]snstypes.PublishBatchRequestEntry, 10)
		for i := range entries {
			entries[i] = snstypes.PublishBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), Message: &body}
		}
		out, err := r.sns.PublishBatch(b.Context(), &sns.PublishBatchInput{TopicArn: &r.topic, PublishBatchRequestEntries: entries})
		if err != nil || len(out.Failed) > 0 {
			b.Errorf("publish: %v", err)
		}
		return err == nil
	}, n/10)
}

// consume receives and deletes n events, ten to a call, and says how long that took.
func (r *raw) consume(b *testing.B, n int) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	return r.together(func() bool {
		in := &sqs.ReceiveMessageInput{QueueUrl: r.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"}}
		out, err := r.sqs.ReceiveMessage(b.Context(), in)
		if err != nil {
			b.Errorf("receive: %v", err)
			return false
		}
		if len(out.Messages) == 0 {
			return left.Load() > 0
		}
		entries := make([]sqstypes.DeleteMessageBatchRequestEntry, len(out.Messages))
		for i, m := range out.Messages {
			entries[i] = sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
		}
		if _, err := r.sqs.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: r.queue, Entries: entries}); err != nil {
			b.Errorf("delete: %v", err)
			return false
		}
		return left.Add(-int64(len(out.Messages))) > 0
	}, n) // more calls than it takes: the last message ends it
}

// together makes at most so many calls, by all clients at once, until one of them says that it is over.
func (r *raw) together(call func() bool, calls int) time.Duration {
	var next atomic.Int64
	var over atomic.Bool
	var clients sync.WaitGroup
	begun := time.Now()
	for range rawClients {
		clients.Go(func() {
			for !over.Load() && next.Add(1) <= int64(calls) {
				if !call() {
					over.Store(true)
				}
			}
		})
	}
	clients.Wait()
	return time.Since(begun)
}
