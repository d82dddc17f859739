package amazon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const attributePolicy = string(sqstypes.QueueAttributeNamePolicy)

// queue makes a queue with its policy, or compares the existing one.
func (p *provisioner) queue(ctx context.Context, want queueSpec) error {
	url, err := p.bus.queueURL(ctx, want.name)
	if errors.Is(err, errNoQueue) {
		var created bool
		if created, err = p.createQueue(ctx, want); err != nil || created {
			return err
		}
		url, err = p.awaitQueue(ctx, want.name)
	}
	if err != nil {
		return err
	}
	got, err := p.bus.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		return fmt.Errorf("look at queue %s: %w", want.name, err)
	}
	wants := maps.Clone(want.attributes)
	if got.Attributes["KmsMasterKeyId"] != "" {
		delete(wants, "SqsManagedSseEnabled") // encrypted by a key of the operator's
	}
	differ := differences(got.Attributes, wants)
	if err := p.settle("queue", want.name, differ, func() error {
		changes := map[string]string{}
		for _, d := range differ {
			changes[d.attribute] = d.wants
		}
		return p.setQueue(ctx, url, changes)
	}); err != nil {
		return err
	}
	return p.queuePolicy(ctx, want, url, got.Attributes[attributePolicy])
}

// createQueue reports false when another process has just made the queue with other settings.
func (p *provisioner) createQueue(ctx context.Context, want queueSpec) (bool, error) {
	none, err := comparePolicy("", want.policy)
	if err != nil {
		return false, err
	}
	attributes := maps.Clone(want.attributes)
	attributes[attributePolicy] = none.with(want.policy)
	input, err := wmsqs.GenerateCreateQueueInputDefault(ctx, wmsqs.QueueName(want.name),
		wmsqs.QueueConfigAttributes{CustomAttributes: attributes})
	if err != nil {
		return false, fmt.Errorf("create queue %s: %w", want.name, err)
	}
	err = p.create("queue", want.name, "", func() error {
		_, err := p.bus.sqs.CreateQueue(ctx, input)
		return err
	})
	if exists := (*sqstypes.QueueNameExists)(nil); errors.As(err, &exists) {
		return false, nil
	}
	return true, err
}

// awaitQueue finds a queue that is known to exist, though not yet everywhere.
func (p *provisioner) awaitQueue(ctx context.Context, name string) (string, error) {
	found, err := p.bus.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name}, func(o *sqs.Options) {
		o.Retryer = retry.AddWithErrorCodes(o.Retryer, (&sqstypes.QueueDoesNotExist{}).ErrorCode())
	})
	if err != nil {
		return "", fmt.Errorf("find queue %s: %w", name, err)
	}
	return aws.ToString(found.QueueUrl), nil
}

// queuePolicy adds the statements that are missing and keeps foreign ones.
func (p *provisioner) queuePolicy(ctx context.Context, want queueSpec, url, has string) error {
	drift, err := comparePolicy(has, want.policy)
	if err != nil {
		return fmt.Errorf("compare queue %s: %w", want.name, err)
	}
	for _, sid := range drift.foreign {
		p.tell("policy", want.name, Foreign, fmt.Sprintf("statement %q is kept", sid))
	}
	missing := make([]string, len(drift.missing))
	for i, s := range drift.missing {
		missing[i] = s.sid()
	}
	return p.parts("policy", want.name, missing, drift.details, func(repair bool) error {
		changes := drift.missing
		if repair {
			changes = append(slices.Clone(changes), drift.differ...)
		}
		return p.setQueue(ctx, url, map[string]string{attributePolicy: drift.with(changes)})
	})
}

func (p *provisioner) setQueue(ctx context.Context, url string, attributes map[string]string) error {
	_, err := p.bus.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes})
	return err
}
