package amazon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// noLog is for watermill-aws's resolvers, whose only lines are traces.
var noLog = watermill.NopLogger{}

// LoadAWS reads region, credentials, AWS_ENDPOINT_URL and AWS_CA_BUNDLE as every AWS tool does, and fits the HTTP client to
// long polls.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(fitLongPolls)
	// The SDK puts the certificates of AWS_CA_BUNDLE only into a client of its own, so ours goes around it afterwards.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS settings: %w", err)
	}
	cfg.HTTPClient = replayClient{cfg.HTTPClient}
	return cfg, nil
}

func fitLongPolls(t *http.Transport) {
	t.MaxIdleConnsPerHost = 256                // else every burst beyond ten calls opens connections anew
	t.ResponseHeaderTimeout = 30 * time.Second // a long poll of 20 s and half as much again
}

// replayClient reads a request's body into memory before it is sent. The SDK's own body returns io.EOF as an error from
// WriteTo when the answer comes before the body was taken, net/http then closes the connection, and the reply is lost
// (aws-sdk-go-v2 issues 1825 and 2737): the messages of a receive would stay hidden until their lease ends. Bodies of SNS
// and SQS calls are 1 MiB at most. It goes around a whole client, which knows how to treat the redirects of S3.
type replayClient struct{ base aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c replayClient) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return c.base.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if err := req.Body.Close(); err != nil {
		return nil, fmt.Errorf("close request body: %w", err)
	}
	again := req.Clone(req.Context())
	again.ContentLength = int64(len(body))
	again.Body = io.NopCloser(bytes.NewReader(body))
	return c.base.Do(again)
}
