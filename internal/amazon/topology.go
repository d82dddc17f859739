package amazon

import (
	"context"
	"fmt"
	"strconv"
	"time"

	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/go-json-experiment/json"
)

const (
	// queueRetention is how long a worker, or the destination that it delivers to, may be away before SQS deletes what
	// waits. AWS's own 4 days do not outlast a long weekend with the night before it. It costs nothing to keep events;
	// it is less than deadRetention, because on standard queues the fuse keeps an event's age: 4 days are left to look
	// at what it moves.
	queueRetention = 10 * 24 * time.Hour
	// deadRetention is the most that SQS allows.
	deadRetention = 14 * 24 * time.Hour
	// leaseDefault is the lease of a received event that nobody extends: how long the events of a killed process wait.
	// The engine extends what it holds, so it need not be as long as a handler runs.
	leaseDefault = time.Minute
	leaseMost    = 12 * time.Hour // SQS
	// maxReceives is the fuse against a crash loop, when no process lives long enough to set a dead letter aside. Outages
	// and hand-backs raise the count too, so it is far above the 12 attempts that an event has.
	maxReceives = 100
	// longPoll is the most that SQS allows; receives say so themselves, and this is for whoever else looks.
	longPoll = 20 * time.Second
)

// topicSpec is a topic as it should be.
type topicSpec struct {
	topic      string // as in the queue table
	name       string // in full
	arn        string
	attributes map[string]string
	queues     []string // as in the queue table
}

// queueSpec is a queue as it should be.
type queueSpec struct {
	name       string // in full
	arn        string
	attributes map[string]string // without the policy
	policy     []statement
}

// topicTable is the queue table turned round: who takes the events of each topic.
func (b *Bus) topicTable(ctx context.Context) ([]topicSpec, error) {
	var topics []topicSpec
	at := map[string]int{}
	for _, q := range b.cfg.Queues {
		for _, topic := range q.Topics {
			if i, ok := at[topic]; ok {
				topics[i].queues = append(topics[i].queues, q.Name)
				continue
			}
			arn, err := b.topicARN(ctx, topic)
			if err != nil {
				return nil, err
			}
			attributes, err := topicAttributes(b.cfg.FIFO).Attributes()
			if err != nil {
				return nil, fmt.Errorf("describe topic %s: %w", topic, err)
			}
			at[topic] = len(topics)
			topics = append(topics, topicSpec{topic, b.names.topic(topic), arn, attributes, []string{q.Name}})
		}
	}
	return topics, nil
}

func topicAttributes(fifo bool) wmsns.ConfigAttributes {
	if !fifo {
		return wmsns.ConfigAttributes{}
	}
	return wmsns.ConfigAttributes{
		FifoTopic:                 "true",
		ContentBasedDeduplication: "false", // the event ID is what makes two events the same
		// Both are per group, as on the queues; otherwise one topic takes 3,000 events a second at most.
		CustomAttributes: map[string]string{"FifoThroughputScope": "MessageGroup"},
	}
}

// queueTable lists all dead-letter queues first, because the others point at them.
func (b *Bus) queueTable(ctx context.Context, lease time.Duration) ([]queueSpec, error) {
	var dead, main []queueSpec
	for _, q := range b.cfg.Queues {
		name, deadName := b.names.queue(q.Name), b.names.deadQueue(q.Name)
		d, err := b.queueSpec(ctx, deadName, q.Topics, wmsqs.QueueConfigAttributes{
			MessageRetentionPeriod: wholeSeconds(deadRetention),
			CustomAttributes: map[string]string{"RedriveAllowPolicy": object(map[string]any{
				"redrivePermission": "byQueue", "sourceQueueArns": []string{b.queueARN(name)},
			})},
		})
		if err != nil {
			return nil, err
		}
		m, err := b.queueSpec(ctx, name, q.Topics, wmsqs.QueueConfigAttributes{
			MessageRetentionPeriod: wholeSeconds(queueRetention),
			VisibilityTimeout:      wholeSeconds(lease),
			RedrivePolicy: object(map[string]any{
				"deadLetterTargetArn": b.queueARN(deadName), "maxReceiveCount": maxReceives,
			}),
		})
		if err != nil {
			return nil, err
		}
		dead, main = append(dead, d), append(main, m)
	}
	return append(dead, main...), nil
}

// queueSpec adds what all queues have. Both of a pair let their topics in: the dead-letter queue keeps what SNS could
// not put into the other one, which would otherwise be gone.
func (b *Bus) queueSpec(
	ctx context.Context, name string, topics []string, attributes wmsqs.QueueConfigAttributes,
) (queueSpec, error) {
	attributes.ReceiveMessageWaitTimeSeconds = wholeSeconds(longPoll)
	attributes.SqsManagedSseEnabled = "true" // SNS may write into it, which a key of KMS would have to allow
	if b.cfg.FIFO {
		attributes.FifoQueue = true
		attributes.DeduplicationScope = "messageGroup"
		attributes.FifoThroughputLimit = "perMessageGroupId"
	}
	flat, err := attributes.Attributes()
	if err != nil {
		return queueSpec{}, fmt.Errorf("describe queue %s: %w", name, err)
	}
	if b.cfg.FIFO {
		flat["ContentBasedDeduplication"] = "false" // which the struct leaves out
	}
	policy, err := b.queuePolicy(ctx, name, topics)
	if err != nil {
		return queueSpec{}, err
	}
	return queueSpec{name, b.queueARN(name), flat, policy}, nil
}

func wholeSeconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// object is JSON with sorted names, so that the same wish has the same text.
func object(v any) string {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err) // only maps and strings of ours come here
	}
	return string(text)
}
