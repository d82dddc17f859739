package amazon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
)

var (
	errNoQueue = errors.New("no such queue")
	errNoTopic = errors.New("no such topic")
)

// check reports everything that is missing at once. Subscriptions count: a topic without them takes events and keeps
// nothing.
func (b *Bus) check(ctx context.Context) error {
	var missing []string
	for _, q := range b.cfg.Queues {
		for _, name := range []string{b.names.queue(q.Name), b.names.deadQueue(q.Name)} {
			if _, err := b.queueURL(ctx, name); errors.Is(err, errNoQueue) {
				missing = append(missing, "queue "+name)
			} else if err != nil {
				return err
			}
		}
	}
	topics, err := b.topicTable(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		standing, err := b.subscriptions(ctx, t.arn)
		if errors.Is(err, errNoTopic) {
			missing = append(missing, "topic "+t.name)
			continue
		}
		if err != nil {
			return err
		}
		for _, queue := range t.queues {
			if _, ok := standing[b.queueARN(b.names.queue(queue))]; !ok {
				missing = append(missing, "subscription of queue "+b.names.queue(queue)+" to topic "+t.name)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s missing: run `livepipe provision`, or set LIVEPIPE_PROVISION=true", strings.Join(missing, ", "))
	}
	return nil
}

// subscriptions are a topic's, by endpoint.
func (b *Bus) subscriptions(ctx context.Context, topicARN string) (map[string]snstypes.Subscription, error) {
	standing := map[string]snstypes.Subscription{}
	pages := sns.NewListSubscriptionsByTopicPaginator(b.sns, &sns.ListSubscriptionsByTopicInput{TopicArn: &topicARN})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list subscriptions of %s: %w", topicARN, noTopic(err))
		}
		for _, s := range page.Subscriptions {
			standing[aws.ToString(s.Endpoint)] = s
		}
	}
	return standing, nil
}

func (b *Bus) checkTopic(ctx context.Context, topic string) error {
	arn, err := b.topicARN(ctx, topic)
	if err != nil {
		return err
	}
	if _, err = b.topicAttributes(ctx, arn); err != nil {
		return err
	}
	return nil
}

func (b *Bus) topicAttributes(ctx context.Context, arn string) (map[string]string, error) {
	got, err := b.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		return nil, fmt.Errorf("look at topic %s: %w", arn, noTopic(err))
	}
	return got.Attributes, nil
}

// noTopic is errNoTopic when that is what SNS says.
func noTopic(err error) error {
	if none := (*snstypes.NotFoundException)(nil); errors.As(err, &none) {
		return errNoTopic
	}
	return err
}
