package blobs_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
)

// TestS3 holds S3 to what the directory is held to; each part has a prefix of its own in one bucket.
func TestS3(t *testing.T) {
	bucket := conformance.Bucket(t)
	conformance.Blobs(t, func(t *testing.T) *blobs.Store {
		return open(t, bucket+"/"+strings.ToLower(rand.Text()))
	})
}
