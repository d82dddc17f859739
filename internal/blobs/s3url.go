package blobs

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"gocloud.dev/blob/s3blob"
)

// place is what an S3 URL names.
type place struct {
	bucket string
	prefix string // of every key: empty, or with its final slash
	region string // empty: AWS_REGION's
}

// errS3URL quotes nothing: somebody may have put a secret into the URL.
var errS3URL = errors.New("an S3 URL has the form s3://bucket[/prefix][?region=REGION]; " +
	"credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL and their like")

// s3Place reports whether the URL names a bucket of S3, and which. gocloud's own opener takes a dozen parameters;
// here everything but the bucket comes from where SNS and SQS have it too: the environment and files of AWS's own tools.
func s3Place(raw string) (place, bool, error) {
	if !strings.HasPrefix(raw, s3blob.Scheme+"://") {
		return place{}, false, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Port() != "" || u.Fragment != "" {
		return place{}, true, errS3URL
	}
	at := place{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	for name, values := range u.Query() {
		if name != "region" || len(values) != 1 {
			return place{}, true, errS3URL
		}
		at.region = values[0]
	}
	if at.prefix != "" {
		if err := checkKey(at.prefix); err != nil {
			return place{}, true, fmt.Errorf("prefix of the S3 URL: lower-case letters, digits and _ . - / are allowed: %w", errS3URL)
		}
		at.prefix += "/"
	}
	return at, true, nil
}
