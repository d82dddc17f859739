package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

const (
	// retentionEvery is how late a message may be deleted beside its days.
	retentionEvery = time.Hour
	// retentionSlice is how many messages one transaction deletes: workers wait for it.
	retentionSlice = 1000
	// After each slice a pause leaves four fifths of the store's time to the workers, and bounds deleting to 10,000
	// messages a second.
	retentionPause  = 100 * time.Millisecond
	retentionShares = 4
	// retentionAgain is how often a store that is down is asked again.
	retentionAgain = 10 * time.Second
	// retentionMost is the most days that count, a hundred years: far more would not be a time any more.
	retentionMost = 36_500
)

// retentionStore knows how long each account keeps its messages, and deletes those that are older.
type retentionStore interface {
	// Accounts returns every account.
	Accounts(ctx context.Context) ([]store.Account, error)
	// DeleteOlder deletes up to limit messages of a tenant that were written before a moment, and says which
	// uploads were among them. What it returns is deleted, also beside an error.
	DeleteOlder(ctx context.Context, of messages.Tenant, before time.Time, limit int) (store.Deleted, error)
}

// retention deletes messages that are older than their account wants to keep them, and then the files of the uploads among
// them. Any number of processes may do so beside each other. A death between the two leaves files that no row names; see
// deleteFiles.
type retention struct {
	store   retentionStore
	files   retentionFiles
	log     *slog.Logger
	deleted prometheus.Counter
}

func newRetention(s retentionStore, files retentionFiles, log *slog.Logger) *retention {
	return &retention{store: s, files: files, log: log, deleted: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "livepipe", Subsystem: "retention", Name: "deleted_messages_total",
		Help: "Messages deleted because they were older than their account keeps them.",
	})}
}

// startRetention deletes where history is written. A function is frozen between its calls, perhaps in the middle of a
// transaction, so it leaves this to other processes.
func (p *process) startRetention() error {
	if p.Unwatched || !slices.ContainsFunc(p.Router.Workers, func(b router.Binding) bool { return b.Worker == "history" }) {
		return nil
	}
	r := newRetention(p.Store, p.Blobs, p.log)
	if err := p.Registry.Register(r.deleted); err != nil {
		return fmt.Errorf("register retention metrics: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.run("retention", func() error { return r.run(ctx) })
	p.onStop("retention", func(context.Context) error {
		cancel()
		return nil
	})
	return nil
}

// run deletes at once and then every hour, until ctx ends. It never fails: what could not be deleted is tried again.
func (r *retention) run(ctx context.Context) error {
	for {
		if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("list accounts to delete old messages of", "error", err)
		}
		if !pause(ctx, retentionEvery) {
			return nil
		}
	}
}

// sweep goes through all accounts. One of which nothing can be deleted keeps no other waiting.
func (r *retention) sweep(ctx context.Context) error {
	var accounts []store.Account
	err := untilAvailable(ctx, func() (err error) {
		accounts, err = r.store.Accounts(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.Limits.RetentionDays <= 0 {
			continue
		}
		before := time.Now().UTC().AddDate(0, 0, -min(a.Limits.RetentionDays, retentionMost))
		deleted, err := r.prune(ctx, a.Tenant, before)
		if deleted > 0 {
			r.log.Info("deleted old messages", "org", a.Org, "livechat", a.LiveChat, "messages", deleted)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("delete old messages", "org", a.Org, "livechat", a.LiveChat, "error", err)
		}
	}
	return nil
}

// prune deletes what a tenant wrote before a moment, slice by slice, each with its files before the next one.
func (r *retention) prune(ctx context.Context, of messages.Tenant, before time.Time) (deleted int, err error) {
	for {
		var slice store.Deleted
		var took time.Duration
		err := untilAvailable(ctx, func() error {
			began := time.Now()
			var err error
			slice, err = r.store.DeleteOlder(ctx, of, before, retentionSlice)
			took = time.Since(began)
			deleted += slice.Messages
			r.deleted.Add(float64(slice.Messages))
			r.deleteFiles(ctx, slice.Files)
			return err
		})
		if err != nil {
			return deleted, err
		}
		if slice.Messages < retentionSlice {
			return deleted, nil
		}
		if !pause(ctx, max(retentionPause, retentionShares*took)) {
			return deleted, ctx.Err()
		}
	}
}

// untilAvailable tries again for as long as what is asked, the store or the blob store, is down.
func untilAvailable(ctx context.Context, try func() error) error {
	for {
		err := try()
		if !messages.IsUnavailable(err) {
			return err
		}
		if !pause(ctx, retentionAgain) {
			return ctx.Err()
		}
	}
}

// pause waits and reports whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
