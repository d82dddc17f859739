package app

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/messages"
)

const (
	// retentionFilesAtOnce is of how many uploads the blobs are deleted at a time: one is three round trips to S3.
	retentionFilesAtOnce = 16
	// retentionLast is what a stop leaves for the files of a slice whose rows are gone already.
	retentionLast = 5 * time.Second
)

// retentionFiles keeps the files of uploads.
type retentionFiles interface {
	// Delete removes a blob; it is no error if there is none.
	Delete(ctx context.Context, key string) error
}

// deleteFiles deletes the blobs of uploads whose rows are gone. It waits for as long as the blob store is down, because
// nobody else knows the ids any more; the end of ctx leaves it a few seconds if the blob store is up. So the only files
// that stay are those whose process died, or was stopped while the blob store was down, between the two deletions, and those
// of a transaction whose commit got no answer.
func (r *retention) deleteFiles(ctx context.Context, ids []string) {
	longer, cancel := outliving(ctx, retentionLast)
	defer cancel()
	var told sync.Once
	var g errgroup.Group // without a context: one that cannot be deleted keeps no other
	g.SetLimit(retentionFilesAtOnce)
	for _, id := range ids {
		g.Go(func() error {
			for _, key := range []string{messages.PendingKey(id), messages.ReleasedKey(id), messages.ThumbnailKey(id)} {
				err := untilAvailable(ctx, func() error {
					err := r.files.Delete(longer, key)
					if messages.IsUnavailable(err) {
						told.Do(func() { r.log.Warn("files of deleted messages wait for the blob store", "error", err) })
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.log.Error("files of deleted messages stay", "error", err)
	}
}

// outliving is a context that ends some time after ctx.
func outliving(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		pause(longer, by)
		cancel()
	})
	return longer, cancel
}
