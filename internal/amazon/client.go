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

// LoadAWS reads region, credentials and AWS_ENDPOINT_URL as every AWS tool does, and fits the HTTP client to long polls.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = 256                // else every burst beyond ten calls opens connections anew
		t.ResponseHeaderTimeout = 30 * time.Second // a long poll of 20 s and half as much again
	}).GetTransport()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(&http.Client{Transport: Replayable{transport}}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS settings: %w", err)
	}
	return cfg, nil
}

// Replayable reads a request's body into memory before it is sent. The SDK's own body returns io.EOF as an error from
// WriteTo when the answer comes before the body was taken, net/http then closes the connection, and the reply is lost
// (aws-sdk-go-v2 issues 1825 and 2737): the messages of a receive would stay hidden until their lease ends. Bodies of SNS
// and SQS calls are 1 MiB at most.
type Replayable struct{ Base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (r Replayable) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return r.Base.RoundTrip(req)
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
	return r.Base.RoundTrip(again)
}
