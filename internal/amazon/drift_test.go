package amazon_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/livepipe/livepipe/internal/amazon"
)

// drifted are the ways in which somebody changed what Provision made, and what the report says of each.
func (p *place) drifted() map[string]string {
	subscription := p.subscribers("upload")[p.queueAttributes("media")["QueueArn"]]
	for name, value := range map[string]string{"RawMessageDelivery": "false", "FilterPolicy": `{"type":["a"]}`} {
		_, err := p.sns.SetSubscriptionAttributes(p.t.Context(), &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: &subscription, AttributeName: &name, AttributeValue: &value,
		})
		p.check(err)
	}
	policy := p.queueAttributes("media")["Policy"]
	p.setQueue("media", map[string]string{
		"VisibilityTimeout": "5",
		"RedrivePolicy":     `{"deadLetterTargetArn":"` + p.queueAttributes("media-dead")["QueueArn"] + `","maxReceiveCount":"3"}`,
		"Policy":            strings.ReplaceAll(policy, "sns.amazonaws.com", "events.amazonaws.com"),
	})
	_, err := p.s3.PutPublicAccessBlock(p.t.Context(), &s3.PutPublicAccessBlockInput{
		Bucket: &p.bucket, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
		},
	})
	p.check(err)
	rules := p.rules()
	i := slices.IndexFunc(rules, func(r s3types.LifecycleRule) bool { return *r.ID == "livepipe-claims" })
	rules[i].Expiration.Days = aws.Int32(1)
	p.setRules(rules)
	drift := map[string]string{
		"queue VisibilityTimeout":                    `is "5", should be "60"`,
		"queue RedrivePolicy":                        `"maxReceiveCount`,
		"policy policy statement LivepipeFromUpload": "events.amazonaws.com",
		"subscription RawMessageDelivery":            `is "false", should be "true"`,
		"subscription FilterPolicy":                  `should be "{}"`,
		"access RestrictPublicBuckets":               `is "false", should be "true"`,
		"lifecycle rule livepipe-claims":             "expires after 1 days",
	}
	if p.cfg.FIFO {
		_, err := p.sns.SetTopicAttributes(p.t.Context(), &sns.SetTopicAttributesInput{
			TopicArn: p.topicARN("upload"), AttributeName: aws.String("ContentBasedDeduplication"), AttributeValue: aws.String("true"),
		})
		p.check(err)
		drift["topic ContentBasedDeduplication"] = `is "true", should be "false"`
	}
	return drift
}

func (p *place) rules() []s3types.LifecycleRule {
	p.t.Helper()
	got, err := p.s3.GetBucketLifecycleConfiguration(p.t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &p.bucket})
	p.check(err)
	return got.Rules
}

func (p *place) setRules(rules []s3types.LifecycleRule) {
	p.t.Helper()
	_, err := p.s3.PutBucketLifecycleConfiguration(p.t.Context(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &p.bucket, LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: rules},
	})
	p.check(err)
}

// wantDrift holds each step against what was changed.
func wantDrift(t *testing.T, report amazon.Report, action amazon.Action, drift map[string]string) {
	t.Helper()
	left := maps.Clone(drift)
	for _, s := range report.Steps {
		if s.Action == amazon.Exists {
			continue
		}
		what, says, _ := strings.Cut(s.Detail, " is ")
		key := s.Kind + " " + what
		if want, ok := left[key]; !ok || s.Action != action || !strings.Contains("is "+says, want) {
			t.Errorf("unexpected: %v", s)
		}
		delete(left, key)
	}
	for what := range left {
		t.Errorf("not %s: %s", action, what)
	}
}

func TestDriftIsReportedAndKeptUntilItIsToBeRepaired(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		p.provision(amazon.ProvisionOptions{})
		drift := p.drifted()
		for range 2 { // reporting it changes nothing
			report := p.provision(amazon.ProvisionOptions{})
			wantDrift(t, report, amazon.Differs, drift)
			if !strings.HasSuffix(report.Summary(), "differs; what differs was kept, --fix sets it") {
				t.Errorf("summary: %s", report.Summary())
			}
		}
		wantDrift(t, p.provision(amazon.ProvisionOptions{Repair: true, DryRun: true}), amazon.WouldRepair, drift)
		wantDrift(t, p.provision(amazon.ProvisionOptions{Repair: true}), amazon.Repaired, drift)
		wantDrift(t, p.provision(amazon.ProvisionOptions{}), amazon.Exists, nil)
		p.publish("upload", "body")
		p.expect("media", "body")
	})
}

// What others have put beside ours takes part, so it is reported; it is theirs, so it stays.
func TestWhatIsForeignIsReportedAndKept(t *testing.T) {
	p := newPlace(t, false)
	p.provision(amazon.ProvisionOptions{})
	media := p.queueAttributes("media")
	const statement = `{"Sid":"Audit","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sqs:ReceiveMessage","Resource":"*"}`
	// In place of ours, which then have to be put beside it.
	p.setQueue("media", map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[` + statement + `]}`})
	p.setRules([]s3types.LifecycleRule{{
		ID: aws.String("audit"), Status: s3types.ExpirationStatusEnabled,
		Filter:     &s3types.LifecycleRuleFilter{Prefix: aws.String("audit/")},
		Expiration: &s3types.LifecycleExpiration{Days: aws.Int32(3)},
	}})
	foreign, err := p.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(p.full("foreign"))})
	p.check(err)
	for topic, endpoint := range map[string]string{
		*foreign.TopicArn:     media["QueueArn"],
		*p.topicARN("upload"): "arn:aws:sqs:us-east-1:000000000000:elsewhere",
	} {
		_, err := p.sns.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &endpoint,
		})
		p.check(err)
	}
	wants := []string{
		`lifecycle    ` + p.bucket + `  rule "audit" is kept`,
		`policy        ` + p.full("media") + `  statement "Audit" is kept`,
		`subscription  ` + p.full("upload") + `  also goes to sqs arn:aws:sqs:us-east-1:000000000000:elsewhere`,
		`subscription  ` + p.full("media") + `  also takes in ` + *foreign.TopicArn,
	}
	for _, opts := range []amazon.ProvisionOptions{{}, {Repair: true}} {
		report := p.provision(opts)
		var got []string
		for _, s := range report.Steps {
			if s.Action == amazon.Foreign {
				got = append(got, strings.TrimPrefix(s.String(), "foreign       "))
			}
		}
		for i := range got {
			if strings.Join(strings.Fields(got[i]), " ") != strings.Join(strings.Fields(wants[i]), " ") {
				t.Errorf("%+v: %q, want %q", opts, got[i], wants[i])
			}
		}
		if len(got) != len(wants) {
			t.Errorf("%+v: %q", opts, got)
		}
	}
	if policy := p.queueAttributes("media")["Policy"]; strings.Count(policy, `"Sid"`) != 3 || !strings.Contains(policy, statement) {
		t.Errorf("policy: %s", policy)
	}
	if rules := p.rules(); len(rules) != 4 {
		t.Errorf("rules: %v", rules)
	}
}

// meddling does something just before a request, the nth CreateQueue, is sent.
type meddling struct {
	base aws.HTTPClient
	nth  int
	do   func()
}

func (m *meddling) Do(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Amz-Target") == "AmazonSQS.CreateQueue" {
		if m.nth--; m.nth == 0 {
			m.do()
		}
	}
	return m.base.Do(r)
}

// Between looking and making, a process of another release makes the queue with other settings.
func TestAnotherProcessWasFaster(t *testing.T) {
	p := newPlace(t, false)
	slow := *p
	const firstMain = 3 // behind the two dead-letter queues
	slow.cfg.AWS.HTTPClient = &meddling{p.cfg.AWS.HTTPClient, firstMain, func() {
		p.provision(amazon.ProvisionOptions{VisibilityTimeout: 2 * time.Minute})
	}}
	var differ []string
	for _, s := range slow.provision(amazon.ProvisionOptions{}).Steps {
		if s.Action == amazon.Differs {
			differ = append(differ, s.Name+" "+s.Detail)
		}
	}
	const detail = ` VisibilityTimeout is "120", should be "60"`
	if want := []string{p.full("history") + detail, p.full("media") + detail}; !slices.Equal(differ, want) {
		t.Errorf("differs: %q, want %q", differ, want)
	}
}

// A queue whose policy is gone is as good as no queue: what is missing is made.
func TestAMissingPolicyIsMade(t *testing.T) {
	p := newPlace(t, false)
	p.provision(amazon.ProvisionOptions{})
	before := p.queueAttributes("media")["Policy"]
	_, err := p.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: p.url("media"), Attributes: map[string]string{"Policy": ""},
	})
	p.check(err)
	report := p.provision(amazon.ProvisionOptions{})
	if report.Count(amazon.Created) != 1 || p.queueAttributes("media")["Policy"] != before {
		t.Errorf("report %v, policy %s", report.Steps, p.queueAttributes("media")["Policy"])
	}
}
