package workers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/media"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// MediaStore keeps what was decided about uploads.
type MediaStore interface {
	// Media gives the decision about an upload; store.ErrUnknownMedia while there is none.
	Media(ctx context.Context, id string) (store.Media, error)
	// DecideMedia keeps a decision and reports true, or false if there was one already, which stays.
	DecideMedia(ctx context.Context, m store.Media) (bool, error)
}

// The reasons for which the worker itself rejects an upload; those of pictures are in package media.
const (
	ReasonDigest = "digest_mismatch" // the bytes are not those that were received
	ReasonType   = "type_mismatch"   // the bytes are not what the event says, or of a kind that is not taken
)

// busyWait is the delay before a picture asks for a place again.
const busyWait = time.Second

// Media makes an upload safe and useful before anybody is served it: it checks the bytes again, cleans pictures, makes
// their thumbnail, and then decides with one write of the store. Until that write a repetition does everything again,
// with the same bytes as its result; after it nothing but the removal of the pending blob.
type Media struct {
	Store   MediaStore
	Blobs   *blobs.Store
	Cleaner *media.Cleaner
	Now     func() time.Time
}

// Handle implements the worker for MediaUploaded. Bad files are decided as rejected and are no error; a pending blob that
// is missing without a decision is an error, which ends as a dead letter.
func (w *Media) Handle(ctx context.Context, _ messages.Envelope, e messages.MediaUploaded) error {
	if !messages.IsMediaID(e.File.ID) {
		return messages.Permanent(messages.ReasonUndecodable, errors.New("handle upload: not a media id"))
	}
	_, err := w.Store.Media(ctx, e.File.ID)
	if errors.Is(err, store.ErrUnknownMedia) {
		err = w.decide(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("handle upload: %w", err)
	}
	if err := w.Blobs.Delete(ctx, messages.PendingKey(e.File.ID)); err != nil {
		return fmt.Errorf("handle upload: %w", err)
	}
	return nil
}

// decide looks at the pending file, releases it or not, and stores the decision last.
func (w *Media) decide(ctx context.Context, e messages.MediaUploaded) error {
	decision, err := w.process(ctx, e)
	if reason := rejection(err); reason != "" {
		decision, err = store.Media{File: e.File, State: store.MediaRejected, Reason: reason}, nil
	}
	if err != nil {
		return err
	}
	decision.Chat = e.Chat
	decision.DecidedAt = w.Now().UTC()
	_, err = w.Store.DecideMedia(ctx, decision)
	return err
}

// process checks the pending file and puts what may be served.
func (w *Media) process(ctx context.Context, e messages.MediaUploaded) (store.Media, error) {
	pending, err := w.Blobs.Get(ctx, messages.PendingKey(e.File.ID))
	if err != nil {
		return store.Media{}, err
	}
	defer pending.Close()
	if err := verify(pending, e); err != nil {
		return store.Media{}, err
	}
	if media.IsImage(e.File.ContentType) {
		return w.releasePicture(ctx, e.File, pending)
	}
	return w.release(ctx, e.File, pending)
}

// releasePicture cleans a picture. The picture holds a place among those at work until it is stored.
func (w *Media) releasePicture(ctx context.Context, file messages.File, pending io.Reader) (store.Media, error) {
	picture, err := w.Cleaner.Clean(ctx, pending, file.ContentType)
	if errors.Is(err, media.ErrBusy) { // its turn comes: counted, a burst would make dead letters of good pictures
		return store.Media{}, messages.Postpone(busyWait, err)
	}
	if err != nil {
		return store.Media{}, err
	}
	defer picture.Close()
	thumb := messages.ThumbnailKey(file.ID)
	if err := w.Blobs.Put(ctx, thumb, picture.NewThumbnailReader(), media.ThumbnailType); err != nil {
		return store.Media{}, err
	}
	decision, err := w.release(ctx, file, picture.NewReader())
	decision.HasThumbnail = true
	return decision, err
}

// release puts a file where it is served from.
func (w *Media) release(ctx context.Context, file messages.File, r io.Reader) (store.Media, error) {
	sum := &measured{r: r, hash: sha256.New()}
	if err := w.Blobs.Put(ctx, messages.ReleasedKey(file.ID), sum, file.ContentType); err != nil {
		return store.Media{}, err
	}
	file.Size = sum.size
	return store.Media{File: file, State: store.MediaReleased, ETag: hex.EncodeToString(sum.hash.Sum(nil))}, nil
}

// verify compares the bytes with what ingress said about them, and leaves the reader at the start.
func verify(r io.ReadSeeker, e messages.MediaUploaded) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return fmt.Errorf("read pending file: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != e.Digest {
		return &media.Rejected{Reason: ReasonDigest, Err: errors.New("other bytes than were received")}
	}
	kind, err := media.Detect(r)
	if err != nil {
		return err
	}
	if kind.ContentType != e.File.ContentType {
		return &media.Rejected{Reason: ReasonType, Err: errors.New("other type than the event says")}
	}
	return nil
}

// rejection is the reason why a file is bad; empty for any other error.
func rejection(err error) string {
	var rejected *media.Rejected
	var refused *media.Refused
	switch {
	case errors.As(err, &rejected):
		return rejected.Reason
	case errors.As(err, &refused):
		return ReasonType
	}
	return ""
}

// measured notes the length and the hash of what is read through it.
type measured struct {
	r    io.Reader
	hash hash.Hash
	size int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.hash.Write(p[:n])
	m.size += int64(n)
	return n, err
}
