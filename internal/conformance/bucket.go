package conformance

import (
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Bucket makes an empty bucket where AWS_ENDPOINT_URL leads, which is LocalStack's S3, and gives its s3:// URL.
func Bucket(t testing.TB) string {
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
