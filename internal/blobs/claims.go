package blobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/livepipe/livepipe/messages"
)

const (
	// claimPrefix starts every key of Claims, so that no event of a stranger can claim an upload, and so that one rule of
	// the bucket can let claims expire.
	claimPrefix = "claims/"
	// maxClaim bounds one body: an event is at most 1 MiB of JSON; the rest is room for what wraps it.
	maxClaim = 4 << 20
)

// Claims keeps the bodies of events that are too large for a broker. It implements bus.Claims.
type Claims struct{ store *Store }

// Claims gives the part of the store that is under claims/.
func (s *Store) Claims() Claims { return Claims{s} }

// Put makes a body durable under a key that starts with claims/. The same key may be put again.
func (c Claims) Put(ctx context.Context, key string, body []byte) error {
	if err := checkClaim(key); err != nil {
		return err
	}
	if len(body) > maxClaim {
		return fmt.Errorf("put claim: %d bytes are more than %d", len(body), maxClaim)
	}
	return c.store.Put(ctx, key, bytes.NewReader(body), "")
}

// Get gives the body back, or nil when there is no such key. A key of another shape and a body that is too large
// are permanent: only a stranger's event can name them.
func (c Claims) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkClaim(key); err != nil {
		return nil, messages.Permanent(messages.ReasonUndecodable, err)
	}
	r, err := c.store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > maxClaim {
		return nil, messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("get claim: %d bytes are more than %d", r.Size(), maxClaim))
	}
	body := make([]byte, r.Size())
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("get claim: %w", err)
	}
	return body, nil
}

func checkClaim(key string) error {
	if !strings.HasPrefix(key, claimPrefix) {
		return errors.New("check claim key: not under claims/")
	}
	return checkKey(key)
}
