package blobs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/livepipe/livepipe/messages"
)

// maxKey keeps every part of a key under the 255 bytes of a file name, with room for fileblob's suffix.
const maxKey = 200

// checkKey refuses whatever is not one of our own keys: lower-case parts joined by slashes. The message does not quote
// the key, because a media id is the capability to read the file.
func checkKey(key string) error {
	foreign := func(c rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_/.-", c) }
	if len(key) > maxKey || strings.ContainsFunc(key, foreign) {
		return errors.New("check blob key: not one of our own")
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part[0] == '.' {
			return errors.New("check blob key: empty or dotted part")
		}
	}
	if prefix(key) == staging || strings.HasSuffix(key, ".attrs") { // fileblob keeps that suffix to itself
		return errors.New("check blob key: reserved")
	}
	return nil
}

// prefix is the part of a key that an error may show: the kind of blob.
func prefix(key string) string {
	first, _, _ := strings.Cut(key, "/")
	return first
}

// failed turns the error of a step into ours: not found, the caller's own doing, or an outage.
func failed(ctx context.Context, verb, key string, err error) error {
	if err == nil {
		return nil
	}
	told := &keyless{text: fmt.Sprintf("%s blob under %s: %s", verb, prefix(key), advice(err)), name: path.Base(key), err: err}
	var src *sourceError
	switch {
	case errors.As(err, &src):
		return told
	case absent(err):
		return fmt.Errorf("%s blob under %s: %w", verb, prefix(key), ErrNotFound)
	case ctx.Err() != nil:
		told.err = ctx.Err()
		return told
	}
	return messages.Unavailable(told)
}

// keyless is an error without the name of the blob, which the errors of files and of buckets quote.
type keyless struct {
	text, name string
	err        error
}

func (e *keyless) Error() string { return e.text + strings.ReplaceAll(e.err.Error(), e.name, "*") }
func (e *keyless) Unwrap() error { return e.err }
