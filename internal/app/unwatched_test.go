package app

import (
	"context"
	"log/slog"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/blobs"
)

// healthyStore is a store of which nothing but the health is asked.
type healthyStore struct{ Store }

func (healthyStore) Health(context.Context) error { return nil }

// A check of a bus or of S3 costs money, so a process that nobody asks for its health makes none.
func TestUnwatchedProcessChecksNothing(t *testing.T) {
	for _, unwatched := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			files, err := blobs.Open(t.Context(), (&url.URL{Scheme: "file", Path: t.TempDir()}).String())
			if err != nil {
				t.Fatal(err)
			}
			defer files.Close()
			checks := 0
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = Run(ctx, Options{
				Logger: slog.New(slog.DiscardHandler), Store: healthyStore{}, Blobs: files, Grace: time.Second, Unwatched: unwatched,
				Bus: Bus{Health: func(context.Context) error {
					checks++
					return nil
				}},
			})
			if err != nil || unwatched != (checks == 0) {
				t.Errorf("unwatched %t: %d checks, %v", unwatched, checks, err)
			}
		})
	}
}
