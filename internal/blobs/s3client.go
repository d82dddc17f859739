package blobs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// bounds are how long S3 may leave one step of one attempt unanswered. A handler of the router has 30 s, and the end of
// its time is counted as an attempt where an outage is not: so a call must give up first. Three attempts of 7 s with
// pauses of at most 2 and 4 s are 27 s. The body of a PUT or of a GET has no bound of its own but the caller's context.
type bounds struct {
	dial, handshake, answer time.Duration
	attempts                int
	pause                   time.Duration // the longest one between attempts; each is drawn at random
}

func defaultBounds() bounds {
	return bounds{dial: 3 * time.Second, handshake: 5 * time.Second, answer: 7 * time.Second, attempts: 3, pause: 4 * time.Second}
}

// maxIdle keeps a connection for each of the engine's 64 handlers; the SDK's own 10 would make a burst open the others
// anew every time.
const maxIdle = 64

// newS3 makes a client from what AWS's own tools read: AWS_REGION, credentials, AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE, the
// shared files. It asks nobody anything. The http.Client is the one that it uses, to be closed.
func newS3(ctx context.Context, region string, b bounds) (*s3.Client, *http.Client, error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(b.transport()),
		config.WithLogger(logging.Nop{}), // the SDK's own writes to standard error
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("load AWS settings: %w", err)
	}
	if cfg.Region == "" {
		return nil, nil, errors.New("no AWS region: set AWS_REGION, or ?region= in the URL")
	}
	// The SDK's client cannot be closed: this one takes its transport, with the certificates of AWS_CA_BUNDLE in it.
	caller := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		caller.Transport = built.GetTransport()
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = caller
		// An endpoint of one's own (LocalStack, MinIO, a VPC's) has no name for each bucket, or answers without it too.
		o.UsePathStyle = o.BaseEndpoint != nil
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxAttempts, r.MaxBackoff = b.attempts, b.pause })
	})
	return client, caller, nil
}

func (b bounds) transport() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = b.dial }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = b.handshake
			t.ResponseHeaderTimeout = b.answer
			t.MaxIdleConnsPerHost = maxIdle
		})
}

// retryingConflicts tries again when S3 says that another conditional write of the same key was under way.
func retryingConflicts(o *s3.Options) {
	o.Retryer = retry.AddWithErrorCodes(o.Retryer, "ConditionalRequestConflict", "OperationAborted")
}
