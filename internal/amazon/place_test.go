package amazon_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/amazon"
)

// place is an environment of its own in the account: a prefix that nobody else has, and the clients to look at it.
type place struct {
	t         *testing.T
	cfg       amazon.Config
	transport *http.Transport // of all clients
	bucket    string
	sns       *sns.Client
	sqs       *sqs.Client
	s3        *s3.Client
}

func newPlace(t *testing.T, fifo bool) *place {
	t.Helper()
	if os.Getenv("AWS_ENDPOINT_URL") == "" {
		if os.Getenv("LIVEPIPE_TEST_AWS") == "1" {
			t.Fatal("AWS_ENDPOINT_URL is not set")
		}
		t.Skip("needs SNS, SQS and S3: run make test-aws")
	}
	settings, err := amazon.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	settings.HTTPClient = amazon.ClientOver(transport)
	name := "t" + strings.ToLower(rand.Text()[:10])
	p := &place{
		t: t, transport: transport, bucket: name,
		cfg: amazon.Config{AWS: settings, Prefix: name, FIFO: fifo, Queues: []amazon.Queue{
			{Name: "history", Topics: []string{"message", "upload"}},
			{Name: "media", Topics: []string{"upload"}},
		}},
		sns: sns.NewFromConfig(settings), sqs: sqs.NewFromConfig(settings),
		s3: s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true }),
	}
	t.Cleanup(p.remove)
	return p
}

// remove leaves the account as it was.
func (p *place) remove() {
	ctx := context.WithoutCancel(p.t.Context())
	for _, url := range p.queues(ctx) {
		p.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
	}
	for _, arn := range p.topics(ctx) {
		p.sns.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &arn})
	}
	p.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &p.bucket})
}

func (p *place) queues(ctx context.Context) []string {
	found, err := p.sqs.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &p.cfg.Prefix})
	p.check(err)
	return found.QueueUrls
}

func (p *place) topics(ctx context.Context) []string {
	var arns []string
	pages := sns.NewListTopicsPaginator(p.sns, &sns.ListTopicsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		p.check(err)
		for _, topic := range page.Topics {
			if strings.Contains(*topic.TopicArn, ":"+p.cfg.Prefix+"-") {
				arns = append(arns, *topic.TopicArn)
			}
		}
	}
	return arns
}

func (p *place) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) provision(opts amazon.ProvisionOptions) amazon.Report {
	p.t.Helper()
	opts.Bucket = p.bucket
	report, err := amazon.Provision(p.t.Context(), p.cfg, opts)
	p.check(err)
	return report
}

// full is the name of a queue or a topic in the account.
func (p *place) full(name string) string {
	if p.cfg.FIFO {
		name += ".fifo"
	}
	return p.cfg.Prefix + "-" + name
}

func (p *place) url(queue string) *string {
	p.t.Helper()
	found, err := p.sqs.GetQueueUrl(p.t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(p.full(queue))})
	p.check(err)
	return found.QueueUrl
}

func (p *place) queueAttributes(queue string) map[string]string {
	p.t.Helper()
	got, err := p.sqs.GetQueueAttributes(p.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: p.url(queue), AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	p.check(err)
	return got.Attributes
}

func (p *place) setQueue(queue string, attributes map[string]string) {
	p.t.Helper()
	_, err := p.sqs.SetQueueAttributes(p.t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: p.url(queue), Attributes: attributes,
	})
	p.check(err)
}

func (p *place) topicARN(topic string) *string {
	p.t.Helper()
	for _, arn := range p.topics(p.t.Context()) {
		if strings.HasSuffix(arn, ":"+p.full(topic)) {
			return &arn
		}
	}
	p.t.Fatalf("no topic %s", topic)
	return nil
}

// subscribers are the ARNs of a topic's subscriptions by endpoint. SNS has one for each; LocalStack, which looks and adds
// without a lock, may have two after concurrent calls.
func (p *place) subscribers(topic string) map[string]string {
	p.t.Helper()
	got, err := p.sns.ListSubscriptionsByTopic(p.t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: p.topicARN(topic)})
	p.check(err)
	all := map[string]string{}
	for _, s := range got.Subscriptions {
		all[*s.Endpoint] = *s.SubscriptionArn
	}
	return all
}

func (p *place) publish(topic, body string) {
	p.t.Helper()
	input := &sns.PublishInput{TopicArn: p.topicARN(topic), Message: &body}
	if p.cfg.FIFO {
		// a group of its own: nothing waits for what a test has received and not deleted
		input.MessageGroupId, input.MessageDeduplicationId = aws.String(rand.Text()), aws.String(rand.Text())
	}
	_, err := p.sns.Publish(p.t.Context(), input)
	p.check(err)
}

// expect receives from a queue and wants exactly one message.
func (p *place) expect(queue, body string) {
	p.t.Helper()
	got, err := p.sqs.ReceiveMessage(p.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: p.url(queue), MaxNumberOfMessages: 10, WaitTimeSeconds: 10,
	})
	p.check(err)
	var bodies []string
	for _, m := range got.Messages {
		bodies = append(bodies, *m.Body)
	}
	if !slices.Equal(bodies, []string{body}) {
		p.t.Errorf("%s has %q, want %q alone", p.full(queue), bodies, body)
	}
}

// modes runs a test on standard and on FIFO topics and queues.
func modes(t *testing.T, test func(*testing.T, *place)) {
	t.Run("standard", func(t *testing.T) { test(t, newPlace(t, false)) })
	t.Run("FIFO", func(t *testing.T) { test(t, newPlace(t, true)) })
}
