package amazon_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/livepipe/livepipe/internal/amazon"
)

// operation names an AWS call as IAM does, for SQS, SNS and STS; S3's are METHOD /path.
func operation(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return "sqs:" + strings.TrimPrefix(target, "AmazonSQS.")
	}
	service := "sns"
	if strings.Contains(r.Header.Get("Authorization"), "/sts/") {
		service = "sts"
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		form, _ := url.ParseQuery(string(body))
		return service + ":" + form.Get("Action")
	}
	return r.Method + " " + r.URL.Path
}

// scripted answers AWS calls by their operation. Any other is answered with "there is none".
type scripted map[string]answer

type answer struct {
	status int
	body   string
}

func (s scripted) Do(r *http.Request) (*http.Response, error) {
	op := operation(r)
	a, ok := s[op]
	switch {
	case ok:
	case op == "sts:GetCallerIdentity":
		a = answer{200, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>` +
			`</GetCallerIdentityResult></GetCallerIdentityResponse>`}
	case op == "sqs:GetQueueUrl":
		a = answer{400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}`}
	case op == "sqs:CreateQueue":
		a = answer{200, `{"QueueUrl":"https://sqs"}`}
	default:
		a = answer{404, ""}
	}
	if a.status == 0 {
		return nil, &url.Error{Op: "Post", URL: "https://sts", Err: &net.OpError{Op: "dial", Err: errors.New("no route")}}
	}
	return &http.Response{
		StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// The first words of an error say what to do.
func TestErrorsSayWhatToDo(t *testing.T) {
	xml := func(code string) string {
		return "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>no</Message></Error></ErrorResponse>"
	}
	const iam = " (`livepipe provision --iam` prints whole policies): "
	tests := []struct {
		name, op string
		answer   answer
		want     string
	}{
		{"network", "sts:GetCallerIdentity", answer{}, "AWS cannot be reached: check AWS_REGION, AWS_ENDPOINT_URL and the network: "},
		{"expired", "sts:GetCallerIdentity", answer{403, xml("ExpiredToken")}, "AWS credentials have expired: sign in again: "},
		{
			"unknown key", "sts:GetCallerIdentity",
			answer{403, xml("InvalidClientTokenId")},
			"AWS does not accept these credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE: ",
		},
		{
			"SQS denies", "sqs:CreateQueue",
			answer{403, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}`},
			"access denied: allow sqs:CreateQueue" + iam + "create queue livepipe-media-dead: ",
		},
		{
			"SNS denies", "sns:GetTopicAttributes",
			answer{403, xml("AuthorizationError")},
			"access denied: allow sns:GetTopicAttributes" + iam + "look at topic arn:aws:sns:eu-west-1:123456789012:livepipe-upload: ",
		},
		{
			"deleted a moment ago", "sqs:CreateQueue",
			answer{400, `{"__type":"com.amazonaws.sqs#QueueDeletedRecently"}`},
			"a queue of this name was deleted a moment ago: wait 60 seconds and run it again: create queue livepipe-media-dead: ",
		},
		{
			"bucket of another", "HEAD /",
			answer{403, ""},
			"access denied: allow s3:ListBucket" + iam + "bucket files is another account's, or may not be seen: ",
		},
		{
			"bucket elsewhere", "HEAD /",
			answer{301, ""},
			"bucket files stands in another region, set AWS_REGION to it or choose another: ",
		},
		{
			"bucket taken", "PUT /",
			answer{409, "<Error><Code>BucketAlreadyExists</Code></Error>"},
			"another account has a bucket of this name: choose another name: create bucket files: ",
		},
		{
			"bucket denied", "PUT /",
			answer{403, "<Error><Code>AccessDenied</Code></Error>"},
			"access denied: allow s3:CreateBucket" + iam + "create bucket files: ",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opts := amazon.ProvisionOptions{}
			if strings.HasSuffix(test.op, "/") {
				opts.Bucket = "files"
			}
			_, err := amazon.Provision(t.Context(), account(scripted{test.op: test.answer}), opts)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s...", err, test.want)
			}
		})
	}
}

// account has nothing yet, and answers as scripted.
func account(client aws.HTTPClient) amazon.Config {
	return amazon.Config{
		AWS: aws.Config{
			Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
			HTTPClient: client, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		},
		Queues: []amazon.Queue{{Name: "media", Topics: []string{"upload"}}},
	}
}

func TestWithoutRegionOrCredentials(t *testing.T) {
	cfg := account(scripted{})
	cfg.AWS.Region = ""
	if _, err := amazon.Provision(t.Context(), cfg, amazon.ProvisionOptions{}); err == nil ||
		err.Error() != "no AWS region: set AWS_REGION" {
		t.Error(err)
	}
	cfg = account(scripted{})
	const want = "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
	for _, provider := range []aws.CredentialsProvider{
		nil,
		aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no EC2 IMDS role found")
		}),
	} {
		cfg.AWS.Credentials = provider
		for _, err := range []error{provisionError(t, cfg), openError(t, cfg)} {
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

func provisionError(t *testing.T, cfg amazon.Config) error {
	_, err := amazon.Provision(t.Context(), cfg, amazon.ProvisionOptions{})
	return err
}

func openError(t *testing.T, cfg amazon.Config) error {
	_, err := amazon.Open(t.Context(), cfg)
	return err
}

// failing answers the first call of each operation by an error.
type failing struct {
	aws.HTTPClient
	errors scripted
}

func (f failing) Do(r *http.Request) (*http.Response, error) {
	op := operation(r)
	if _, ok := f.errors[op]; !ok {
		return f.HTTPClient.Do(r)
	}
	defer delete(f.errors, op)
	return f.errors.Do(r)
}

func TestOtherProcessesAtWorkAreWaitedFor(t *testing.T) {
	p := newPlace(t, false)
	once := scripted{
		"sns:CreateTopic":  {409, "<ErrorResponse><Error><Code>ConcurrentAccess</Code></Error></ErrorResponse>"},
		"sqs:CreateQueue":  {400, `{"__type":"com.amazonaws.sqs#InvalidParameterValue","message":"Reason: Dead letter target does not exist."}`},
		"PUT /" + p.bucket: {409, "<Error><Code>OperationAborted</Code></Error>"},
	}
	p.cfg.AWS.HTTPClient = failing{p.cfg.AWS.HTTPClient, once}
	p.cfg.AWS.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	}
	if report := p.provision(amazon.ProvisionOptions{}); report.Count(amazon.Created) == 0 || len(once) > 0 {
		t.Errorf("report %v, not called %v", report.Steps, once)
	}
}

// recording notes the operations.
type recording struct {
	aws.HTTPClient
	seen map[string]bool
}

func (r recording) Do(req *http.Request) (*http.Response, error) {
	r.seen[operation(req)] = true
	return r.HTTPClient.Do(req)
}

// LocalStack holds nobody to a policy, so the calls are held against it here; S3's have other names in IAM.
func TestPoliciesAllowWhatIsCalled(t *testing.T) {
	p := newPlace(t, false)
	calls := recording{p.cfg.AWS.HTTPClient, map[string]bool{}}
	p.cfg.AWS.HTTPClient = calls
	policies, err := amazon.IAMPolicies(t.Context(), p.cfg, amazon.Access{Bucket: p.bucket})
	p.check(err)
	covered := func(role string) {
		t.Helper()
		var refused []string
		for op := range calls.seen {
			if !strings.Contains(op, " ") && !strings.HasPrefix(op, "sts:") && !strings.Contains(policies[role], `"`+op+`"`) {
				refused = append(refused, op)
			}
		}
		slices.Sort(refused)
		if len(refused) > 0 || len(calls.seen) < 3 {
			t.Errorf("%s may not %q of %d calls", role, refused, len(calls.seen))
		}
		clear(calls.seen)
	}
	p.provision(amazon.ProvisionOptions{})
	p.drifted()
	p.provision(amazon.ProvisionOptions{Repair: true})
	covered("provision")
	p.check(openError(t, p.cfg))
	covered("ingress")
	p.check(openError(t, p.cfg))
	covered("router-media")
	p.check(openError(t, p.cfg))
	covered("dlq")
}
