package amazon

import (
	"context"
	"time"

	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Bare is a bus that asks nobody for anything before it is used. Its queues exist, its topics do not.
func Bare(cfg Config) *Bus {
	return &Bus{
		cfg: cfg, names: names{cfg.Prefix, cfg.FIFO}, log: cfg.Logger, sqs: sqs.NewFromConfig(cfg.AWS),
		queues: wmsqs.NewGetQueueUrlByNameUrlResolver(wmsqs.GetQueueUrlByNameUrlResolverConfig{}),
	}
}

// Hiding is Source with a lease of its own.
func (b *Bus) Hiding(ctx context.Context, queue string, lease time.Duration) (*Source, error) {
	return b.source(ctx, queue, lease)
}

// QueueURL is the URL of a queue; it may be a dead-letter queue.
func (b *Bus) QueueURL(ctx context.Context, queue string) (string, error) {
	return b.queueURL(ctx, b.names.queue(queue))
}

// AddQueue lets the conformance suite, whose topics are made up as it runs, add a queue to the table of an open bus.
func (b *Bus) AddQueue(q Queue) { b.cfg.Queues = append(b.cfg.Queues, q) }

// HeldMost is how long a delivery is extended.
const HeldMost = heldMost
