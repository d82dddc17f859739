package amazon_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/amazon"
)

func TestProvisioningTwiceChangesNothing(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		var lines []amazon.Step
		first := p.provision(amazon.ProvisionOptions{Progress: func(s amazon.Step) { lines = append(lines, s) }})
		// 1 bucket with access block and lifecycle, 2 queues, 2 dead-letter queues, 2 topics, 3 subscriptions
		if created := first.Count(amazon.Created); created < 11 || first.Count(amazon.Exists) > 1 {
			t.Errorf("first run: %s\n%v", first.Summary(), first.Steps)
		}
		if !slices.Equal(lines, first.Steps) {
			t.Errorf("told of %v, reported %v", lines, first.Steps)
		}
		second := p.provision(amazon.ProvisionOptions{})
		if second.Count(amazon.Exists) != len(second.Steps) {
			t.Errorf("second run: %s\n%v", second.Summary(), second.Steps)
		}
		if want := "all 16 stand as they should"; second.Summary() != want {
			t.Errorf("summary %q, want %q", second.Summary(), want)
		}
	})
}

// The fuse, the ages, the long poll and the encryption, as SQS has them.
func TestQueuesStandAsTheyShould(t *testing.T) {
	arn := func(p *place, queue string) string { return p.queueAttributes(queue)["QueueArn"] }
	modes(t, func(t *testing.T, p *place) {
		p.provision(amazon.ProvisionOptions{VisibilityTimeout: 6 * time.Minute})
		wants := map[string]map[string]string{
			"media": {
				"VisibilityTimeout": "360", "MessageRetentionPeriod": "864000", "ReceiveMessageWaitTimeSeconds": "20",
				"SqsManagedSseEnabled": "true",
				"RedrivePolicy":        `{"deadLetterTargetArn":"` + arn(p, "media-dead") + `","maxReceiveCount":100}`,
			},
			"media-dead": {
				"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true",
				"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + arn(p, "media") + `"]}`,
			},
		}
		for queue, want := range wants {
			if p.cfg.FIFO {
				want["FifoQueue"], want["ContentBasedDeduplication"] = "true", "false"
				want["DeduplicationScope"], want["FifoThroughputLimit"] = "messageGroup", "perMessageGroupId"
			}
			has := p.queueAttributes(queue)
			for name, value := range want {
				if has[name] != value {
					t.Errorf("%s: %s is %q, want %q", queue, name, has[name], value)
				}
			}
		}
	})
}

func TestAMessageReachesExactlyItsQueuesAsItWasPublished(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		p.provision(amazon.ProvisionOptions{})
		p.publish("message", `{"id":"evt_1"}`)
		p.expect("history", `{"id":"evt_1"}`)
		p.publish("upload", `{"id":"evt_2"}`)
		p.expect("history", `{"id":"evt_2"}`)
		p.expect("media", `{"id":"evt_2"}`) // and not evt_1, which was out long before
	})
}

func TestPrefixesDoNotSeeEachOther(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		other := *p
		other.cfg.Prefix += "-b" // the worst case: one is the beginning of the other
		other.bucket += "-b"
		t.Cleanup(other.remove)
		p.provision(amazon.ProvisionOptions{})
		if report := other.provision(amazon.ProvisionOptions{}); report.Count(amazon.Foreign, amazon.Differs) > 0 {
			t.Errorf("the second prefix sees the first: %v", report.Steps)
		}
		if report := p.provision(amazon.ProvisionOptions{}); report.Count(amazon.Exists) != len(report.Steps) {
			t.Errorf("the first prefix sees the second: %v", report.Steps)
		}
		for _, body := range []string{"one", "two"} { // what strayed at "one" would be there before "two"
			for _, side := range []*place{p, &other} {
				body := side.cfg.Prefix + body
				side.publish("upload", body)
				side.expect("history", body)
				side.expect("media", body)
			}
		}
	})
}

// SNS gives a message up at once when a queue is gone or does not let it in; it must not be gone for good.
func TestWhatSNSCannotHandOverIsADeadLetter(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		p.provision(amazon.ProvisionOptions{})
		_, err := p.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: p.url("media")})
		p.check(err)
		p.publish("upload", "body")
		p.expect("media-dead", "body")
	})
}

func TestADryRunMakesNothing(t *testing.T) {
	p := newPlace(t, false)
	report := p.provision(amazon.ProvisionOptions{DryRun: true, Repair: true})
	if report.Count(amazon.WouldCreate) != len(report.Steps) || len(report.Steps) != 12 {
		t.Errorf("report: %v", report.Steps)
	}
	if queues, topics := p.queues(t.Context()), p.topics(t.Context()); len(queues)+len(topics) > 0 {
		t.Errorf("dry run made %v %v", queues, topics)
	}
	if _, err := p.s3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &p.bucket}); err == nil {
		t.Error("dry run made the bucket")
	}
}

func TestEightProcessesProvisionAtOnce(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				<-start
				if _, err := amazon.Provision(t.Context(), p.cfg, amazon.ProvisionOptions{Bucket: p.bucket}); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		all.Wait()
		report := p.provision(amazon.ProvisionOptions{})
		if report.Count(amazon.Exists) != len(report.Steps) {
			t.Errorf("afterwards: %v", report.Steps)
		}
		for topic, queues := range map[string]int{"message": 1, "upload": 2} {
			if got := p.subscribers(topic); len(got) != queues {
				t.Errorf("%s has subscriptions %v, want %d", topic, got, queues)
			}
		}
	})
}

// A topic that a release adds must get through to queues that exist already.
func TestTheTopologyGrowsWithTheTable(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		p.provision(amazon.ProvisionOptions{})
		p.cfg.Queues[1].Topics = []string{"upload", "receipt"}
		p.cfg.Queues = append(p.cfg.Queues, amazon.Queue{Name: "audit", Topics: []string{"receipt"}})
		report := p.provision(amazon.ProvisionOptions{})
		if report.Count(amazon.Differs, amazon.Foreign) > 0 {
			t.Errorf("report: %v", report.Steps)
		}
		p.publish("receipt", "body")
		for _, queue := range []string{"media", "audit"} {
			p.expect(queue, "body")
			policy := p.queueAttributes(queue)["Policy"]
			if strings.Count(policy, *p.topicARN("receipt")) != 1 {
				t.Errorf("policy of %s: %s", queue, policy)
			}
		}
		if again := p.provision(amazon.ProvisionOptions{}); again.Count(amazon.Exists) != len(again.Steps) {
			t.Errorf("second run: %v", again.Steps)
		}
	})
}

func TestOpenNamesEverythingThatIsMissing(t *testing.T) {
	p := newPlace(t, false)
	open := func() string {
		_, err := amazon.Open(t.Context(), p.cfg)
		if err == nil {
			return ""
		}
		return strings.ReplaceAll(err.Error(), p.cfg.Prefix, "PREFIX")
	}
	const remedy = " missing: run `livepipe provision`, or set LIVEPIPE_PROVISION=true"
	if got, want := open(), "queue PREFIX-history, queue PREFIX-history-dead, queue PREFIX-media, "+
		"queue PREFIX-media-dead, topic PREFIX-message, topic PREFIX-upload"+remedy; got != want {
		t.Errorf("nothing stands:\n%s, want\n%s", got, want)
	}
	p.provision(amazon.ProvisionOptions{})
	if got := open(); got != "" {
		t.Errorf("everything stands: %s", got)
	}
	subscription := p.subscribers("upload")[p.queueAttributes("media")["QueueArn"]]
	_, err := p.sns.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &subscription})
	p.check(err)
	if got, want := open(), "subscription of queue PREFIX-media to topic PREFIX-upload"+remedy; got != want {
		t.Errorf("a subscription lacks: %s, want %s", got, want)
	}
}

// A dry run says before what the run then does, thing by thing.
func TestDryRunSaysEverythingThatARunMakes(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		said, made := []string{}, []string{}
		for _, s := range p.provision(amazon.ProvisionOptions{DryRun: true}).Steps {
			if s.Action != amazon.WouldCreate {
				t.Errorf("before there is anything: %s", s)
			}
			said = append(said, s.Kind+" "+s.Name)
		}
		for _, s := range p.provision(amazon.ProvisionOptions{}).Steps {
			made = append(made, s.Kind+" "+s.Name)
		}
		if diff := cmp.Diff(made, said); diff != "" {
			t.Errorf("made (-) and said (+):\n%s", diff)
		}
	})
}
