package amazon

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// Access is what the queue table does not say of the roles.
type Access struct {
	// Bucket is the S3 bucket of claims and uploads; empty for none.
	Bucket string
	// Publishes are the topics that a worker publishes to. Ingress publishes to all others.
	Publishes map[string][]string
}

// IAMPolicies returns the least that each role must be allowed, as a JSON document for each: "provision", "ingress",
// "dlq", and "router-<worker>" for each worker.
func IAMPolicies(ctx context.Context, cfg Config, access Access) (map[string]string, error) {
	b, err := connect(ctx, cfg)
	if err != nil {
		return nil, explain(err)
	}
	return b.iamPolicies(ctx, access)
}

func (b *Bus) iamPolicies(ctx context.Context, access Access) (map[string]string, error) {
	topics, err := b.topicTable(ctx)
	if err != nil {
		return nil, err
	}
	a := permissions{b, access, map[string]string{}}
	var all, ingress []string
	for _, t := range topics {
		all = append(all, t.arn)
		a.topics[t.topic] = t.arn
		if !access.workerPublishes(t.topic) {
			ingress = append(ingress, t.arn)
		}
	}
	documents := map[string][]iamStatement{
		"provision": a.provision(all),
		"ingress":   slices.Concat(a.look(all), a.publish(ingress), a.files("ingress")),
		"dlq":       slices.Concat(a.look(all), a.deadLetters(), a.files("dlq")),
	}
	for _, q := range b.cfg.Queues {
		documents["router-"+q.Name] = slices.Concat(a.look(all), a.worker(q.Name), a.files(q.Name))
	}
	texts := make(map[string]string, len(documents))
	for role, statements := range documents {
		text, err := json.Marshal(iamDocument{"2012-10-17", statements}, jsontext.WithIndent("  "))
		if err != nil {
			return nil, fmt.Errorf("write policy of %s: %w", role, err)
		}
		texts[role] = string(text)
	}
	return texts, nil
}

func (a Access) workerPublishes(topic string) bool {
	for _, topics := range a.Publishes {
		if slices.Contains(topics, topic) {
			return true
		}
	}
	return false
}

type iamDocument struct {
	Version   string         `json:"Version"`
	Statement []iamStatement `json:"Statement"`
}

type iamStatement struct {
	Sid      string   `json:"Sid"`
	Effect   string   `json:"Effect"`
	Action   []string `json:"Action"`
	Resource []string `json:"Resource"`
}

func allow(sid string, actions, resources []string) iamStatement {
	return iamStatement{sid, "Allow", actions, resources}
}

type permissions struct {
	bus    *Bus
	access Access
	topics map[string]string // ARNs by the names of the queue table
}

// queues are the ARNs of every worker's queue or dead-letter queue.
func (a permissions) queues(full ...func(string) string) []string {
	var arns []string
	for _, q := range a.bus.cfg.Queues {
		for _, name := range full {
			arns = append(arns, a.bus.queueARN(name(q.Name)))
		}
	}
	return arns
}

// look is what Open and Health ask.
func (a permissions) look(topics []string) []iamStatement {
	return []iamStatement{
		allow("FindQueues", []string{"sqs:GetQueueUrl"}, a.queues(a.bus.names.queue, a.bus.names.deadQueue)),
		allow("CheckTopics", []string{"sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"}, topics),
	}
}

func (a permissions) publish(topics []string) []iamStatement {
	if len(topics) == 0 {
		return nil
	}
	return []iamStatement{allow("Publish", []string{"sns:Publish"}, topics)}
}

// worker is also enough for an event source of AWS Lambda.
func (a permissions) worker(name string) []iamStatement {
	queue, dead := a.bus.queueARN(a.bus.names.queue(name)), a.bus.queueARN(a.bus.names.deadQueue(name))
	statements := []iamStatement{
		allow("Consume", []string{
			"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
		}, []string{queue}),
		allow("SetAside", []string{"sqs:SendMessage"}, []string{dead}),
	}
	var topics []string
	for _, topic := range a.access.Publishes[name] {
		topics = append(topics, a.topics[topic])
	}
	return append(statements, a.publish(topics)...)
}

func (a permissions) deadLetters() []iamStatement {
	return []iamStatement{
		allow("DeadLetters", []string{
			"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
		}, a.queues(a.bus.names.deadQueue)),
		allow("Redrive", []string{"sqs:SendMessage"}, a.queues(a.bus.names.queue)),
	}
}

// files is what a role does with the bucket. ListBucket lists nothing for us: without it S3 answers 403 instead of 404
// for what is not there.
func (a permissions) files(role string) []iamStatement {
	if a.access.Bucket == "" {
		return nil
	}
	bucket := "arn:aws:s3:::" + a.access.Bucket
	under := func(prefixes ...string) []string {
		arns := make([]string, len(prefixes))
		for i, prefix := range prefixes {
			arns[i] = bucket + "/" + prefix + "*"
		}
		return arns
	}
	pending, released, thumbnails := messages.PendingKey(""), messages.ReleasedKey(""), messages.ThumbnailKey("")
	const get, put, remove, abort = "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"
	statements := []iamStatement{
		allow("Find", []string{"s3:ListBucket"}, []string{bucket}),
		allow("Claims", []string{get, put, abort}, under("claims/")),
		allow("Health", []string{get, put, remove}, under("health/")),
	}
	switch role {
	case "ingress":
		statements = append(statements,
			allow("TakeUploads", []string{get, put, abort}, under(pending, "idempotency/")),
			allow("ServeFiles", []string{get}, under(released, thumbnails)))
	case "media":
		statements = append(statements,
			allow("ReadUploads", []string{get, remove}, under(pending)),
			allow("ReleaseFiles", []string{put, abort}, under(released, thumbnails)))
	case "history":
		statements = append(statements, // of messages that an account no longer keeps
			allow("DeleteFiles", []string{remove}, under(pending, released, thumbnails)))
	}
	return statements
}

// provision is for `livepipe provision`, and for LIVEPIPE_PROVISION=true beside the role's own.
func (a permissions) provision(topics []string) []iamStatement {
	statements := []iamStatement{
		allow("Queues", []string{
			"sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes",
		}, a.queues(a.bus.names.queue, a.bus.names.deadQueue)),
		allow("Topics", []string{
			"sns:CreateTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:ListSubscriptionsByTopic",
		}, topics),
		// IAM knows no resource for these.
		allow("Subscriptions", []string{
			"sns:ListSubscriptions", "sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes",
		}, []string{"*"}),
	}
	if a.access.Bucket == "" {
		return statements
	}
	return append(statements, allow("Bucket", []string{
		"s3:CreateBucket", "s3:ListBucket", "s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock",
		"s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration",
	}, []string{"arn:aws:s3:::" + a.access.Bucket}))
}
