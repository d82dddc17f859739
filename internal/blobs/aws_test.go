package blobs_test

import (
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
)

// realS3 makes a bucket where AWS_ENDPOINT_URL leads, which is LocalStack's S3, and gives its URL.
func realS3(t testing.TB) string {
	t.Helper()
	if os.Getenv("AWS_ENDPOINT_URL") == "" {
		if os.Getenv("LIVEPIPE_TEST_AWS") == "1" {
			t.Fatal("LIVEPIPE_TEST_AWS=1 needs AWS_ENDPOINT_URL")
		}
		t.Skip("needs LocalStack's S3: run make test-aws")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	caller := &http.Client{Transport: &http.Transport{}}
	defer caller.CloseIdleConnections()
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle, o.HTTPClient = true, caller })
	name := "livepipe-test-" + strings.ToLower(rand.Text())
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return "s3://" + name
}

// TestS3 holds S3 to what the directory is held to; each part has a prefix of its own in one bucket.
func TestS3(t *testing.T) {
	bucket := realS3(t)
	conformance.Blobs(t, func(t *testing.T) *blobs.Store {
		return open(t, bucket+"/"+strings.ToLower(rand.Text()))
	})
}
