package blobs

import (
	"bytes"
	"context"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// writer is how a technology writes; reading is gocloud's for all of them. What put and create have written is durable
// when they return nil, and a put that fails leaves nothing new. create reports false if the key is taken.
type writer interface {
	put(ctx context.Context, key string, r io.Reader, contentType string) error
	create(ctx context.Context, key string, value []byte) (created bool, err error)
	remove(ctx context.Context, key string) error
}

// plain writes to a bucket that is durable by itself, as gocloud does.
type plain struct{ bucket *blob.Bucket }

func (p plain) put(ctx context.Context, key string, r io.Reader, contentType string) error {
	return write(ctx, p.bucket, key, r, &blob.WriterOptions{ContentType: contentType})
}

func (p plain) create(ctx context.Context, key string, value []byte) (bool, error) {
	err := write(ctx, p.bucket, key, bytes.NewReader(value), &blob.WriterOptions{IfNotExist: true})
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return false, nil
	}
	return err == nil, err
}

func (p plain) remove(ctx context.Context, key string) error { return p.bucket.Delete(ctx, key) }

// write copies r into a new blob of the bucket. On any failure the context of the writer ends before it is closed,
// which is gocloud's way to leave no blob behind.
func write(ctx context.Context, b *blob.Bucket, key string, r io.Reader, opts *blob.WriterOptions) error {
	return writeThen(ctx, b, key, r, opts, func() error { return nil })
}

// writeThen is write with a last step between the last byte and the moment at which the blob gets its name.
func writeThen(ctx context.Context, b *blob.Bucket, key string, r io.Reader, opts *blob.WriterOptions, last func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if opts.ContentType == "" {
		opts.ContentType = "application/octet-stream" // else gocloud sniffs, and opens the file late
	}
	w, err := b.NewWriter(ctx, key, opts)
	if err != nil {
		return err
	}
	if err = copyBounded(ctx, w, r); err == nil {
		err = last()
	}
	if err != nil {
		cancel()
		_ = w.Close() // its error is the cancellation
		return err
	}
	return w.Close()
}

// copyBounded copies through one small buffer; the ReadFrom and WriteTo of gocloud would take 1 MiB each.
func copyBounded(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := make([]byte, copyBuffer)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, &source{ctx: ctx, r: r}, buf)
	return err
}

// source marks the errors of the caller's reader, which are no outage of ours, and ends with the context.
type source struct {
	ctx context.Context
	r   io.Reader
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF { // io.Copy knows the bare value alone
		err = &sourceError{err}
	}
	return n, err
}

type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read source: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }
