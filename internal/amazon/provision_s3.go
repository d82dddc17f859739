package amazon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/livepipe/livepipe/messages"
)

const (
	// claimDays: a body that was too large for an event must be there as long as the event: 10 days in the queue, 14 in
	// the dead-letter queue, whose clock starts anew when SQS itself moves a FIFO event there, and a day for the hour at
	// which S3 deletes. Whoever sets the event aside or redrives it puts the body anew.
	claimDays = 25
	// pendingDays: an upload waits as long as its event may, 10 days in the queue, 14 in the dead-letter queue, and
	// some for whoever redrives it. The media worker deletes what it has looked at; what is left was never published.
	pendingDays = 30
	// partDays: an upload takes seconds, so parts that old have lost their writer.
	partDays = 1
)

// expiry is one rule of a bucket's lifecycle, and everything of it that we compare.
type expiry struct {
	id     string
	prefix string
	days   int32 // 0: unfinished uploads only
}

func expiries() []expiry {
	return []expiry{
		{"livepipe-claims", "claims/", claimDays},
		{"livepipe-pending", messages.PendingKey(""), pendingDays},
		{"livepipe-unfinished-uploads", "", 0},
	}
}

func expiryIDs() []string {
	var ids []string
	for _, e := range expiries() {
		ids = append(ids, e.id)
	}
	return ids
}

func (e expiry) rule() s3types.LifecycleRule {
	rule := s3types.LifecycleRule{
		ID: &e.id, Status: s3types.ExpirationStatusEnabled, Filter: &s3types.LifecycleRuleFilter{Prefix: &e.prefix},
	}
	if e.days == 0 {
		rule.AbortIncompleteMultipartUpload = &s3types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(partDays)}
	} else {
		rule.Expiration = &s3types.LifecycleExpiration{Days: &e.days}
	}
	return rule
}

// describe is what two rules must have in common to be the same.
func describe(r s3types.LifecycleRule) string {
	text := string(r.Status)
	switch f := r.Filter; {
	case f == nil:
		text += " prefix " + strconv.Quote(aws.ToString(r.Prefix)) //nolint:staticcheck // rules made long ago have it here
	case f.And == nil && f.Tag == nil && f.ObjectSizeGreaterThan == nil && f.ObjectSizeLessThan == nil:
		text += " prefix " + strconv.Quote(aws.ToString(f.Prefix))
	default:
		text += " another filter"
	}
	if r.Expiration != nil {
		text += fmt.Sprintf(" expires after %d days", aws.ToInt32(r.Expiration.Days))
	}
	if r.AbortIncompleteMultipartUpload != nil {
		text += fmt.Sprintf(" aborts uploads after %d days", aws.ToInt32(r.AbortIncompleteMultipartUpload.DaysAfterInitiation))
	}
	return text
}

// bucket makes the bucket. S3 encrypts every object by itself, so there is nothing to ask for.
func (p *provisioner) bucket(ctx context.Context, name string) error {
	stands, err := p.findBucket(ctx, name)
	if err != nil {
		return err
	}
	if !stands {
		if err := p.create("bucket", name, "", func() error { return p.createBucket(ctx, name) }); err != nil {
			return err
		}
		if p.opts.DryRun {
			p.tell("access", name, WouldCreate, closedToAll)
			p.tell("lifecycle", name, WouldCreate, strings.Join(expiryIDs(), ", "))
			return nil
		}
	} else {
		p.tell("bucket", name, Exists, "")
	}
	if err := p.accessBlock(ctx, name); err != nil {
		return err
	}
	return p.lifecycle(ctx, name)
}

func (p *provisioner) findBucket(ctx context.Context, name string) (bool, error) {
	_, err := p.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &p.bus.account})
	if err == nil {
		return true, nil
	}
	status := 0
	if answer := (*awshttp.ResponseError)(nil); errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	switch status { // all that S3 says to HEAD
	case http.StatusNotFound:
		return false, nil
	case http.StatusMovedPermanently:
		return false, fmt.Errorf("bucket %s stands in another region, set AWS_REGION to it or choose another: %w", name, err)
	case http.StatusForbidden:
		return false, fmt.Errorf("bucket %s is another account's, or may not be seen: %w", name, err)
	}
	return false, fmt.Errorf("look at bucket %s: %w", name, err)
}

func (p *provisioner) createBucket(ctx context.Context, name string) error {
	input := &s3.CreateBucketInput{Bucket: &name}
	if region := p.bus.cfg.AWS.Region; region != "us-east-1" { // which S3 takes for no answer
		input.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{
			LocationConstraint: s3types.BucketLocationConstraint(region),
		}
	}
	_, err := p.s3.CreateBucket(ctx, input)
	if mine := (*s3types.BucketAlreadyOwnedByYou)(nil); errors.As(err, &mine) {
		return nil // another process was faster
	}
	return err
}

const closedToAll = "closed to the public"

// accessBlock shuts the bucket to the public whatever anybody's policy says.
func (p *provisioner) accessBlock(ctx context.Context, name string) error {
	has := map[string]string{}
	got, err := p.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name})
	missing := is(err, "NoSuchPublicAccessBlockConfiguration")
	switch {
	case missing:
	case err != nil:
		return fmt.Errorf("look at public access of bucket %s: %w", name, err)
	default:
		has = blocks(got.PublicAccessBlockConfiguration)
	}
	all := &s3types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
		IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
	}
	set := func() error {
		_, err := p.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
			Bucket: &name, PublicAccessBlockConfiguration: all,
		})
		return err
	}
	if missing {
		return p.create("access", name, closedToAll, set)
	}
	return p.settle("access", name, differences(has, blocks(all)), set)
}

func blocks(c *s3types.PublicAccessBlockConfiguration) map[string]string {
	return map[string]string{
		"BlockPublicAcls":       strconv.FormatBool(aws.ToBool(c.BlockPublicAcls)),
		"BlockPublicPolicy":     strconv.FormatBool(aws.ToBool(c.BlockPublicPolicy)),
		"IgnorePublicAcls":      strconv.FormatBool(aws.ToBool(c.IgnorePublicAcls)),
		"RestrictPublicBuckets": strconv.FormatBool(aws.ToBool(c.RestrictPublicBuckets)),
	}
}

// lifecycle adds our rules to the existing ones, which are kept: S3 takes only all of them at once.
func (p *provisioner) lifecycle(ctx context.Context, name string) error {
	got, err := p.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &name})
	if is(err, "NoSuchLifecycleConfiguration") {
		got = &s3.GetBucketLifecycleConfigurationOutput{}
	} else if err != nil {
		return fmt.Errorf("look at lifecycle of bucket %s: %w", name, err)
	}
	kept, repaired := slices.Clone(got.Rules), slices.Clone(got.Rules)
	var missing []string
	var differ []difference
	foreign := map[string]bool{}
	for _, r := range got.Rules {
		foreign[aws.ToString(r.ID)] = true
	}
	for _, e := range expiries() {
		delete(foreign, e.id)
		want := e.rule()
		i := slices.IndexFunc(got.Rules, func(r s3types.LifecycleRule) bool { return aws.ToString(r.ID) == e.id })
		switch {
		case i < 0:
			missing, kept, repaired = append(missing, e.id), append(kept, want), append(repaired, want)
		case describe(got.Rules[i]) != describe(want):
			differ = append(differ, difference{"rule " + e.id, describe(got.Rules[i]), describe(want)})
			repaired[i] = want
		}
	}
	for _, id := range slices.Sorted(maps.Keys(foreign)) {
		p.tell("lifecycle", name, Foreign, "rule "+strconv.Quote(id)+" is kept")
	}
	return p.parts("lifecycle", name, missing, differ, func(repair bool) error {
		rules := kept
		if repair {
			rules = repaired
		}
		_, err := p.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
			Bucket: &name, LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: rules},
			TransitionDefaultMinimumObjectSize: got.TransitionDefaultMinimumObjectSize,
		})
		return err
	})
}

// is compares an error by its code: not all of S3's have a type.
func is(err error, code string) bool {
	answer := smithy.APIError(nil)
	return errors.As(err, &answer) && answer.ErrorCode() == code
}
