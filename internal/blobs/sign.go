package blobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// MaxSigned is the longest that a signed URL may be valid: a rule of S3's.
const MaxSigned = 7 * 24 * time.Hour

// Headers are what S3 answers a signed URL with.
type Headers struct {
	ContentType        string
	ContentDisposition string
	CacheControl       string
}

// CanSign reports whether SignedURL works: with S3, not with a directory.
func (s *Store) CanSign() bool { return s.s3 != nil }

// SignedURL makes a URL by which anybody may GET, or HEAD, one blob for so long, in whole seconds up to MaxSigned, but
// never longer than the credentials live that have signed it. The URL begins with the endpoint that this process uses. It
// is made without asking S3, so nobody has looked whether the blob is there.
func (s *Store) SignedURL(ctx context.Context, method, key string, valid time.Duration, h Headers) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if !s.CanSign() {
		return "", errors.New("sign URL: only S3 has signed URLs")
	}
	if valid < time.Second || valid > MaxSigned {
		return "", fmt.Errorf("sign URL: valid for %s, S3 takes 1s to %s", valid, MaxSigned)
	}
	signed, err := s.s3.sign(ctx, method, key, valid, h)
	if err != nil {
		return "", failed(ctx, "sign URL of", key, err)
	}
	return signed.URL, nil
}

func (b *s3Bucket) sign(ctx context.Context, method, key string, valid time.Duration, h Headers) (*v4.PresignedHTTPRequest, error) {
	signer := s3.NewPresignClient(b.client, s3.WithPresignExpires(valid))
	if method == http.MethodHead { // the method is signed too
		return signer.PresignHeadObject(ctx, &s3.HeadObjectInput{
			Bucket: &b.place.bucket, Key: b.key(key), ResponseContentType: &h.ContentType,
			ResponseContentDisposition: &h.ContentDisposition, ResponseCacheControl: &h.CacheControl,
		})
	}
	return signer.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.place.bucket, Key: b.key(key), ResponseContentType: &h.ContentType,
		ResponseContentDisposition: &h.ContentDisposition, ResponseCacheControl: &h.CacheControl,
	})
}
