package blobs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

// s3Bucket adds to gocloud's s3blob what it lacks: writing within a small memory, a create that knows its own record,
// and signed URLs that say how they are served. An object that S3 has confirmed is durable, whole and under its key.
//
// gocloud's writer hands a stream to the SDK's transfer manager, which reads up to 16 MiB of it into memory before the
// first byte is sent (no option of gocloud's lowers that) and cuts what is longer into parts of at least 5 MiB: 64 uploads
// of 10 MiB at once grew the heap by 930 MiB. One PutObject of a body that can be read again streams through the 32 KiB
// buffers of the hash and of net/http: 10 MiB for the same 64 (BenchmarkUploads). It needs no clean-up either: of a PUT
// that breaks off S3 keeps nothing, where a multipart upload would have to be aborted. S3 takes 5 GiB in one.
type s3Bucket struct {
	place
	client *s3.Client
	http   *http.Client
	bucket *blob.Bucket
}

func openS3(ctx context.Context, at place, b bounds) (*Store, error) {
	client, caller, err := newS3(ctx, at.region, b)
	if err != nil {
		return nil, fmt.Errorf("open S3 bucket: %w", err)
	}
	bucket, err := s3blob.OpenBucket(ctx, client, at.bucket, nil)
	if err != nil {
		return nil, fmt.Errorf("open S3 bucket: %w", err)
	}
	if at.prefix != "" {
		bucket = blob.PrefixedBucket(bucket, at.prefix)
	}
	cloud := &s3Bucket{place: at, client: client, http: caller, bucket: bucket}
	return &Store{bucket: bucket, writer: cloud, s3: cloud}, nil
}

// put sends r as it is if it can be read again, which the signature and a retry need, and else a copy in a temporary file.
func (b *s3Bucket) put(ctx context.Context, key string, r io.Reader, contentType string) error {
	again, ok := r.(io.Seeker)
	body := rewindable{&source{ctx: ctx, r: r}, again}
	if !ok {
		f, err := spool(ctx, r)
		if err != nil {
			return err
		}
		defer discard(f)
		body = rewindable{f, f}
	}
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.place.bucket, Key: b.key(key), Body: body,
		ContentType: aws.String(cmp.Or(contentType, "application/octet-stream")),
	})
	return err
}

// rewindable hides every other method of its parts: the SDK breaks a connection off when the body has a WriteTo and the
// answer comes early (aws-sdk-go-v2 issues 1825 and 2737).
type rewindable struct {
	io.Reader
	io.Seeker
}

// creator is the metadata by which create knows its own record.
const creator = "livepipe-creator"

func (b *s3Bucket) create(ctx context.Context, key string, value []byte) (bool, error) {
	me, body := rand.Text(), bytes.NewReader(value)
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.place.bucket, Key: b.key(key), Body: rewindable{body, body}, IfNoneMatch: aws.String("*"),
		ContentType: aws.String("application/octet-stream"), Metadata: map[string]string{creator: me},
	}, retryingConflicts)
	if s3Code(err) != "PreconditionFailed" {
		return err == nil, err
	}
	// The answer to an attempt that created may have been lost: then the SDK's next attempt has found our own record.
	found, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.place.bucket, Key: b.key(key)})
	if s3Code(err) == "NotFound" {
		return false, nil // deleted since
	}
	if err != nil {
		return false, err
	}
	return found.Metadata[creator] == me, nil
}

// remove is one call where gocloud's Delete looks first; S3 does not mind if nothing is there.
func (b *s3Bucket) remove(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.place.bucket, Key: b.key(key)})
	return err
}

func (b *s3Bucket) key(key string) *string { return aws.String(b.prefix + key) }

// spool copies r into a file that has no name any more, where the system lets an open file be removed.
func spool(ctx context.Context, r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "livepipe-blob-*") // TMPDIR says where
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	os.Remove(f.Name())
	if err = copyBounded(ctx, f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		discard(f)
		return nil, err
	}
	return f, nil
}

func discard(f *os.File) {
	f.Close()
	os.Remove(f.Name()) // where it could not be removed before
}
