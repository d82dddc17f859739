package amazon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/livepipe/livepipe/internal/bus"
)

// Queue is one row of the route table: the queue of one worker and the topics that it is subscribed to.
type Queue struct {
	Name   string
	Topics []string
}

// Config says which account, which names and which limits.
type Config struct {
	// AWS comes from LoadAWS; tests give their own.
	AWS aws.Config
	// Prefix starts the name of every topic and queue, and keeps environments apart. Default "livepipe".
	Prefix string
	// FIFO uses FIFO topics and queues: order per conversation, at 300 calls a second and queue at least.
	FIFO bool
	// Queues is the whole route table, whatever part of it this process consumes.
	Queues []Queue
	// Claims keeps the bodies that are too large for SNS.
	Claims bus.Claims
	// PollWait is how long a receive waits for a message. Default 20 s, the most that SQS allows and the cheapest. A
	// stop waits for open receives, because a receive that is given up may swallow a message until its lease ends.
	PollWait time.Duration
	// PublishLinger is how long a batch that is not full waits for more while nothing else is under way. Default 0: a
	// lone event never waits.
	PublishLinger time.Duration
	Logger        *slog.Logger
}

// Bus is the account's topics and queues under one prefix. It is safe for concurrent use.
type Bus struct {
	cfg     Config
	names   names
	account string
	log     *slog.Logger
	sns     *sns.Client
	sqs     *sqs.Client
	topics  wmsns.TopicResolver
	queues  wmsqs.QueueUrlResolver

	batchers batchers
}

// Open finds the account and checks that every topic, queue and subscription of the table exists. It makes nothing: that
// is Provision's.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	b, err := connect(ctx, cfg)
	if err != nil {
		return nil, explain(err)
	}
	if err := b.check(ctx); err != nil {
		return nil, explain(err)
	}
	return b, nil
}

// connect makes a bus of whatever exists.
func connect(ctx context.Context, cfg Config) (*Bus, error) {
	cfg.Prefix = cmp.Or(cfg.Prefix, "livepipe")
	cfg.PollWait = cmp.Or(cfg.PollWait, 20*time.Second)
	b := &Bus{
		cfg: cfg, names: names{cfg.Prefix, cfg.FIFO}, log: cfg.Logger,
		sns: sns.NewFromConfig(cfg.AWS), sqs: sqs.NewFromConfig(cfg.AWS),
		queues: wmsqs.NewGetQueueUrlByNameUrlResolver(wmsqs.GetQueueUrlByNameUrlResolverConfig{}),
	}
	if err := b.names.validate(cfg.Queues); err != nil {
		return nil, fmt.Errorf("check bus config: %w", err)
	}
	var err error
	if b.account, err = accountID(ctx, cfg.AWS); err != nil {
		return nil, err
	}
	if b.topics, err = wmsns.NewGenerateArnTopicResolver(b.account, cfg.AWS.Region); err != nil {
		return nil, fmt.Errorf("name topics: %w", err)
	}
	return b, nil
}

// accountID asks whose credentials these are; no permission is needed for that.
func accountID(ctx context.Context, cfg aws.Config) (string, error) {
	if cfg.Region == "" {
		return "", errors.New("no AWS region: set AWS_REGION")
	}
	if cfg.Credentials == nil {
		return "", errNoCredentials
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return "", fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask AWS for the account: %w", err)
	}
	return aws.ToString(who.Account), nil
}

// queueURL finds a queue by its full name and remembers it.
func (b *Bus) queueURL(ctx context.Context, name string) (string, error) {
	found, err := b.queues.ResolveQueueUrl(ctx, wmsqs.ResolveQueueUrlParams{Topic: name, SqsClient: b.sqs, Logger: noLog})
	if err != nil {
		return "", fmt.Errorf("find queue %s: %w", name, err)
	}
	if found.QueueURL == nil {
		return "", fmt.Errorf("find queue %s: %w", name, errNoQueue)
	}
	return string(*found.QueueURL), nil
}

// queueARN is the ARN of a queue by its full name. Policies name it before the queue exists.
func (b *Bus) queueARN(name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", b.cfg.AWS.Region, b.account, name)
}

func (b *Bus) topicARN(ctx context.Context, topic string) (string, error) {
	arn, err := b.topics.ResolveTopic(ctx, b.names.topic(topic))
	if err != nil {
		return "", fmt.Errorf("name topic %s: %w", topic, err)
	}
	return string(arn), nil
}

// Health reports whether SNS answers for the first topic of the table.
func (b *Bus) Health(ctx context.Context) error {
	for _, q := range b.cfg.Queues {
		for _, topic := range q.Topics {
			return b.checkTopic(ctx, topic)
		}
	}
	return nil
}
