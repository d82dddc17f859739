package blobs

import (
	"context"
	"time"
)

// OpenS3Quick is Open for S3 with bounds that a test can wait for: three attempts of the given time each.
func OpenS3Quick(ctx context.Context, url string, answer time.Duration) (*Store, error) {
	at, _, err := s3Place(url)
	if err != nil {
		return nil, err
	}
	return openS3(ctx, at, bounds{dial: answer, handshake: answer, answer: answer, attempts: 3, pause: time.Millisecond})
}

// WriteAsGocloud makes the store write by gocloud's own writer, to compare.
func (s *Store) WriteAsGocloud() { s.writer = plain{s.bucket} }
