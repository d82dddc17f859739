// Package blobs keeps the bytes of uploads, and of events too large for a broker: in a directory or in S3, by one Open.
// What a call has put is durable when the call returns. The package imports messages and no other room.
package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
)

// ErrNotFound says that no blob has the key.
var ErrNotFound = errors.New("blob not found")

const (
	// copyBuffer is what one Put or copy holds: 64 uploads at once are 64 x 64 KiB = 4 MiB, where gocloud's own copying
	// would hold 1 MiB each.
	copyBuffer = 64 << 10
	// maxRecord bounds what PutNew reads back: records are a few hundred bytes.
	maxRecord = 1 << 20
	// probeKey is written and deleted by Health; one fixed key, so that a crash leaves one file at most.
	probeKey = "health/probe"
)

// Store keeps blobs under keys. Its methods may be called from many goroutines. Outages are messages.Unavailable, and so
// is a store that refuses us; the end of the caller's context and a failing source are not.
type Store struct {
	bucket *blob.Bucket
	writer writer
	s3     *s3Bucket    // nil elsewhere
	proved atomic.Int64 // when Health last wrote to S3, in Unix nanoseconds
}

// errNoPlace quotes nothing, as errS3URL does.
var errNoPlace = errors.New("LIVEPIPE_BLOBS must be file:///DIRECTORY, s3://BUCKET, or a directory " +
	"that begins with /, ./ or ../")

// Open opens the store that a URL names: file:///dir or a plain directory, which is made (mode 0700) if it is missing;
// s3://bucket[/prefix][?region=...], which is not asked yet; any other scheme must have been registered with
// gocloud.dev/blob. A plain directory says that it is one by its first character: a mistyped URL must not become a
// directory that nobody looks into.
func Open(ctx context.Context, url string) (*Store, error) {
	if scheme, rest, ok := strings.Cut(url, "://"); ok {
		url = strings.ToLower(scheme) + "://" + rest
	}
	path, ok, err := directoryPath(url)
	if err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	if ok {
		return openDirectory(path)
	}
	at, ok, err := s3Place(url)
	if err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	if ok {
		return openS3(ctx, at, defaultBounds())
	}
	if scheme, _, _ := strings.Cut(url, "://"); !blob.DefaultURLMux().ValidBucketScheme(scheme) {
		return nil, fmt.Errorf("open blob store: %w", errNoPlace) // gocloud's own error quotes the URL
	}
	bucket, err := blob.OpenBucket(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	return &Store{bucket: bucket, writer: plain{bucket}}, nil
}

// Close releases the store. Readers that are still open may fail afterwards.
func (s *Store) Close() error {
	err := s.bucket.Close()
	if s.s3 != nil {
		s.s3.http.CloseIdleConnections()
	}
	if err != nil {
		return fmt.Errorf("close blob store: %w", err)
	}
	return nil
}

// Put writes all of r under the key, in place of what was there. It holds 64 KiB, whatever the size; what S3 is sent goes
// through a temporary file (TMPDIR) unless r is an io.Seeker. When it returns nil the blob survives a power cut; when it
// fails or its context ends, nothing can be read under a new key.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, contentType string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return failed(ctx, "put", key, s.writer.put(ctx, key, r, contentType))
}

// PutNew writes the value under the key if nothing is there. Otherwise it returns what is there, with created false.
// Of concurrent callers, in any number of processes, exactly one creates. Either answer is about a blob that survives a
// power cut.
func (s *Store) PutNew(ctx context.Context, key string, value []byte) (existing []byte, created bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	for ctx.Err() == nil {
		created, err = s.writer.create(ctx, key, value)
		if err != nil || created {
			return nil, created, failed(ctx, "create", key, err)
		}
		existing, err = s.record(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue // deleted between the two steps
		}
		return existing, false, err
	}
	return nil, false, failed(ctx, "create", key, ctx.Err())
}

func (s *Store) record(ctx context.Context, key string) ([]byte, error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > maxRecord {
		return nil, fmt.Errorf("read blob under %s: %d bytes are no record", prefix(key), r.Size())
	}
	return io.ReadAll(r)
}

// Get opens the blob for reading. The reader lives as long as ctx. ErrNotFound if there is none.
func (s *Store) Get(ctx context.Context, key string) (*Reader, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	r, err := s.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, failed(ctx, "get", key, err)
	}
	return &Reader{ctx: ctx, key: key, r: r}, nil
}

// Exists reports whether a blob has the key.
func (s *Store) Exists(ctx context.Context, key string) (bool, error) {
	if err := checkKey(key); err != nil {
		return false, err
	}
	// One byte is read, because S3 answers a HEAD without words: a missing bucket would look like a missing blob.
	r, err := s.bucket.NewRangeReader(ctx, key, 0, 1, nil)
	if s3Code(err) == "InvalidRange" {
		return true, nil // it is empty
	}
	if err != nil {
		if err = failed(ctx, "look for", key, err); errors.Is(err, ErrNotFound) {
			err = nil
		}
		return false, err
	}
	_, _ = io.ReadFull(r, make([]byte, 2)) // to its end, or the connection could not be used again
	return true, failed(ctx, "look for", key, r.Close())
}

// Delete removes the blob. It is no error if there is none. A power cut may bring a deleted blob back.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	err := failed(ctx, "delete", key, s.writer.remove(ctx, key))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// proofHolds is how long a write to S3 proves that writes are allowed. A disk fills up from one second to the next and is
// tried each time; an S3 PUT every 5 s would cost $2.60 a month and process.
const proofHolds = time.Minute

// Paid reports whether each call costs money.
func (s *Store) Paid() bool { return s.s3 != nil }

// Health really puts (with every fsync) and deletes a probe, so that a full or read-only disk shows, and looks for it
// again, because S3 refuses that to credentials that may not list. After a success S3 is only looked at for a minute.
func (s *Store) Health(ctx context.Context) error {
	if s.s3 == nil || time.Since(time.Unix(0, s.proved.Load())) > proofHolds {
		s.proved.Store(0)
		if err := s.prove(ctx); err != nil {
			return fmt.Errorf("probe blob store: %w", err)
		}
		s.proved.Store(time.Now().UnixNano())
	}
	if _, err := s.Exists(ctx, probeKey); err != nil { // it may: another process has its own probe there
		return fmt.Errorf("probe blob store: %w", err)
	}
	return nil
}

func (s *Store) prove(ctx context.Context) error {
	// A MultiReader does not seek: so the temporary files of Put are tried too.
	if err := s.Put(ctx, probeKey, io.MultiReader(strings.NewReader("livepipe")), "text/plain"); err != nil {
		return err
	}
	return s.Delete(ctx, probeKey)
}
