package amazon

import (
	"context"
	"errors"
	"fmt"

	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// topic makes a topic, or compares the existing one, and subscribes its queues.
func (p *provisioner) topic(ctx context.Context, want topicSpec) error {
	has, err := p.bus.topicAttributes(ctx, want.arn)
	if errors.Is(err, errNoTopic) {
		if err := p.create("topic", want.name, "", func() error {
			_, err := p.bus.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &want.name, Attributes: want.attributes})
			return err
		}); err != nil {
			return err
		}
		return p.subscribe(ctx, want, nil)
	}
	if err != nil {
		return err
	}
	differ := differences(has, want.attributes)
	if err := p.settle("topic", want.name, differ, func() error {
		for _, d := range differ {
			if _, err := p.bus.sns.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
				TopicArn: &want.arn, AttributeName: &d.attribute, AttributeValue: &d.wants,
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	standing, err := p.bus.subscriptions(ctx, want.arn)
	if err != nil {
		return err
	}
	return p.subscribe(ctx, want, standing)
}

// subscribe adds the subscriptions that are missing and compares the others. Somebody else's get the events too: that
// is reported.
func (p *provisioner) subscribe(ctx context.Context, t topicSpec, standing map[string]snstypes.Subscription) error {
	for _, queue := range t.queues {
		input, err := p.subscription(ctx, t, queue)
		if err != nil {
			return err
		}
		label := t.name + " -> " + p.bus.names.queue(queue)
		s, ok := standing[*input.Endpoint]
		if !ok {
			if err := p.create("subscription", label, "", func() error {
				_, err := p.bus.sns.Subscribe(ctx, input)
				return err
			}); err != nil {
				return err
			}
			continue
		}
		delete(standing, *input.Endpoint)
		if err := p.compareSubscription(ctx, label, aws.ToString(s.SubscriptionArn), input.Attributes); err != nil {
			return err
		}
	}
	for _, s := range standing {
		p.tell("subscription", t.name, Foreign, "also goes to "+aws.ToString(s.Protocol)+" "+aws.ToString(s.Endpoint))
	}
	return nil
}

// subscription hands the body over as it was published. What SNS cannot hand over (the queue was deleted, its policy
// broken) it gives up at once, so that goes to the dead-letter queue.
func (p *provisioner) subscription(ctx context.Context, t topicSpec, queue string) (*sns.SubscribeInput, error) {
	input, err := wmsns.GenerateSubscribeInputDefault(ctx, wmsns.GenerateSubscribeInputParams{
		SnsTopicArn: wmsns.TopicArn(t.arn), SqsQueueArn: wmsqs.QueueArn(p.bus.queueARN(p.bus.names.queue(queue))),
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe queue %s: %w", queue, err)
	}
	input.Attributes["RedrivePolicy"] = object(map[string]any{
		"deadLetterTargetArn": p.bus.queueARN(p.bus.names.deadQueue(queue)),
	})
	return input, nil
}

func (p *provisioner) compareSubscription(ctx context.Context, label, arn string, wants map[string]string) error {
	got, err := p.bus.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
	if err != nil {
		return fmt.Errorf("look at subscription %s: %w", label, err)
	}
	wants["FilterPolicy"] = "{}" // a filter drops events, and nobody hears of it
	differ := differences(got.Attributes, wants)
	return p.settle("subscription", label, differ, func() error {
		for _, d := range differ {
			if _, err := p.bus.sns.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
				SubscriptionArn: &arn, AttributeName: &d.attribute, AttributeValue: &d.wants,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// strays reports what else is subscribed to put events into our queues.
func (p *provisioner) strays(ctx context.Context, topics []topicSpec, queues []queueSpec) error {
	ours, names := map[string]bool{}, map[string]string{}
	for _, t := range topics {
		ours[t.arn] = true
	}
	for _, q := range queues {
		names[q.arn] = q.name
	}
	pages := sns.NewListSubscriptionsPaginator(p.bus.sns, &sns.ListSubscriptionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list subscriptions: %w", err)
		}
		for _, s := range page.Subscriptions {
			if name := names[aws.ToString(s.Endpoint)]; name != "" && !ours[aws.ToString(s.TopicArn)] {
				p.tell("subscription", name, Foreign, "also takes in "+aws.ToString(s.TopicArn))
			}
		}
	}
	return nil
}
