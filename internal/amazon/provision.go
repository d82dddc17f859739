package amazon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
)

// ProvisionOptions says what to make besides topics and queues, and how far to go.
type ProvisionOptions struct {
	// Bucket is the S3 bucket of claims and uploads; empty for none.
	Bucket string
	// VisibilityTimeout is the lease of a received event, whole seconds up to 12 h. Default 1 min. Queues that AWS
	// Lambda consumes want 6 times the function's timeout.
	VisibilityTimeout time.Duration
	// DryRun reports what would change, and changes nothing.
	DryRun bool
	// Repair sets what differs. Without it a difference is reported and kept: somebody may have meant it.
	Repair bool
	// Progress is called for each step when it is done; may be nil.
	Progress func(Step)
}

// Action is what became of a thing.
type Action string

// The actions of a step.
const (
	Exists      Action = "exists"
	Created     Action = "created"
	WouldCreate Action = "would create"
	Differs     Action = "differs"
	Repaired    Action = "repaired"
	WouldRepair Action = "would repair"
	// Foreign is what others have put beside ours: a policy statement, a subscription. It is always kept.
	Foreign Action = "foreign"
)

// Step is one thing that should exist, or one attribute of it that differs.
type Step struct {
	Kind   string // bucket, access, lifecycle, queue, policy, topic, subscription
	Name   string
	Action Action
	Detail string
}

// String is one line for people.
func (s Step) String() string {
	return strings.TrimRight(fmt.Sprintf("%-12s  %-12s  %s  %s", s.Action, s.Kind, s.Name, s.Detail), " ")
}

// Report is what Provision found and did.
type Report struct{ Steps []Step }

// Count is the number of steps with one of the actions.
func (r Report) Count(actions ...Action) int {
	n := 0
	for _, s := range r.Steps {
		if slices.Contains(actions, s.Action) {
			n++
		}
	}
	return n
}

// Summary is the last line for people.
func (r Report) Summary() string {
	var parts []string
	for _, a := range []Action{Created, WouldCreate, Repaired, WouldRepair, Differs, Foreign} {
		if n := r.Count(a); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, a))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("all %d stand as they should", len(r.Steps))
	}
	summary := strings.Join(parts, ", ")
	if r.Count(Differs) > 0 {
		summary += "; what differs was kept, --fix sets it"
	}
	return summary
}

// Provision makes what is missing of the bucket, the queues, the topics and their subscriptions. It deletes nothing, and
// changes nothing that exists unless opts say so, but for one thing: a topic that is added to the table gets its statement
// in the policies of its queues. Any number of processes may do it at once.
func Provision(ctx context.Context, cfg Config, opts ProvisionOptions) (Report, error) {
	opts.VisibilityTimeout = cmp.Or(opts.VisibilityTimeout, leaseDefault)
	if v := opts.VisibilityTimeout; v < time.Second || v > leaseMost || v%time.Second != 0 {
		return Report{}, fmt.Errorf("visibility timeout is %s, SQS takes whole seconds from 1s to %s", v, leaseMost)
	}
	b, err := connect(ctx, cfg)
	if err != nil {
		return Report{}, explain(err)
	}
	settings := cfg.AWS
	settings.Retryer = func() aws.Retryer { return patient(cfg.AWS.Retryer) }
	b.sns, b.sqs = sns.NewFromConfig(settings), sqs.NewFromConfig(settings)
	p := &provisioner{bus: b, opts: opts, s3: s3.NewFromConfig(settings, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil // LocalStack and others have no host name for each bucket
	})}
	if err := p.run(ctx); err != nil {
		return p.report, explain(err)
	}
	return p.report, nil
}

// patient is the caller's retryer, or the SDK's, with more attempts and more reasons.
func patient(base func() aws.Retryer) aws.Retryer {
	if base != nil {
		return retry.AddWithMaxAttempts(waiting{base()}, 8)
	}
	return retry.AddWithMaxAttempts(waiting{retry.NewStandard()}, 8)
}

// waiting also waits for other processes that provision, and for what is made to be seen everywhere.
type waiting struct{ aws.Retryer }

// IsErrorRetryable implements aws.Retryer.
func (w waiting) IsErrorRetryable(err error) bool {
	if w.Retryer.IsErrorRetryable(err) {
		return true
	}
	api := smithy.APIError(nil)
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ConcurrentAccess", "ConcurrentModification", "OperationAborted":
		return true
	}
	return strings.Contains(api.ErrorMessage(), "Dead letter target does not exist") // which was made a moment ago
}

type provisioner struct {
	bus    *Bus
	opts   ProvisionOptions
	s3     *s3.Client
	report Report
}

// run makes topics last: before there is a topic nobody can publish, and an event in a topic without queues is gone.
func (p *provisioner) run(ctx context.Context) error {
	if p.opts.Bucket != "" {
		if err := p.bucket(ctx, p.opts.Bucket); err != nil {
			return err
		}
	}
	queues, err := p.bus.queueTable(ctx, p.opts.VisibilityTimeout)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if err := p.queue(ctx, q); err != nil {
			return err
		}
	}
	topics, err := p.bus.topicTable(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if err := p.topic(ctx, t); err != nil {
			return err
		}
	}
	return p.strays(ctx, topics, queues)
}

func (p *provisioner) tell(kind, name string, action Action, detail string) {
	s := Step{kind, name, action, detail}
	p.report.Steps = append(p.report.Steps, s)
	if p.opts.Progress != nil {
		p.opts.Progress(s)
	}
}

// create makes what is missing.
func (p *provisioner) create(kind, name, detail string, do func() error) error {
	if p.opts.DryRun {
		p.tell(kind, name, WouldCreate, detail)
		return nil
	}
	if err := do(); err != nil {
		return fmt.Errorf("create %s %s: %w", kind, name, err)
	}
	p.tell(kind, name, Created, detail)
	return nil
}

// settle reports what differs about a thing that exists, and sets it right if that is wanted.
func (p *provisioner) settle(kind, name string, differ []difference, repair func() error) error {
	if len(differ) == 0 {
		p.tell(kind, name, Exists, "")
		return nil
	}
	action := Differs
	switch {
	case p.opts.Repair && p.opts.DryRun:
		action = WouldRepair
	case p.opts.Repair:
		if err := repair(); err != nil {
			return fmt.Errorf("repair %s %s: %w", kind, name, err)
		}
		action = Repaired
	}
	for _, d := range differ {
		p.tell(kind, name, action, d.String())
	}
	return nil
}

// parts is for a document of several parts, each ours by its name: missing ones are added, others are settled.
func (p *provisioner) parts(kind, name string, missing []string, differ []difference, set func(repair bool) error) error {
	if len(missing) > 0 {
		err := p.create(kind, name, strings.Join(missing, ", "), func() error { return set(false) })
		if err != nil || len(differ) == 0 {
			return err
		}
	}
	return p.settle(kind, name, differ, func() error { return set(true) })
}
