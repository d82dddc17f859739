package app

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// keysOf are all places where bytes of an upload may be.
func keysOf(id string) []string {
	return []string{messages.PendingKey(id), messages.ReleasedKey(id), messages.ThumbnailKey(id)}
}

// filed is a blob store in a directory with all the blobs of some uploads.
func filed(t *testing.T, ids ...string) *blobs.Store {
	t.Helper()
	files, err := blobs.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	for _, id := range ids {
		for _, key := range keysOf(id) {
			if err := files.Put(t.Context(), key, strings.NewReader("bytes"), "text/plain"); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

// left are the keys of uploads under which something stands.
func left(t *testing.T, files *blobs.Store, ids ...string) (keys []string) {
	t.Helper()
	for _, id := range ids {
		for _, key := range keysOf(id) {
			there, err := files.Exists(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if there {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// troubled is a blob store with a bad day.
type troubled struct {
	*blobs.Store
	fails func() error
	takes time.Duration // one deletion
	asked atomic.Int64
}

func (f *troubled) Delete(ctx context.Context, key string) error {
	f.asked.Add(1)
	if f.takes > 0 && !pause(ctx, f.takes) {
		return ctx.Err()
	}
	if f.fails != nil {
		if err := f.fails(); err != nil {
			return err
		}
	}
	return f.Store.Delete(ctx, key)
}

func TestRetentionDeletesTheFilesOfWhatItDeletes(t *testing.T) {
	all := []string{"media_old", "media_new", "media_kept"}
	files := filed(t, all...)
	path := filepath.Join(t.TempDir(), "livepipe.db")
	if err := sqlite.Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, u := range []struct {
		account store.Account
		id      string
		age     time.Duration
	}{
		{keeping("week", 7), "media_old", 8 * day},
		{keeping("week", 7), "media_new", 6 * day},
		{keeping("forever", 0), "media_kept", 800 * day},
	} {
		chat := messages.Chat{Tenant: u.account.Tenant, ChatID: "chat1"}
		file := messages.File{ID: u.id, ContentType: "text/plain"}
		_, saved := db.SaveMessage(t.Context(), "evt_"+u.id, messages.MessageReceived{
			Origin: messages.Origin{Channel: "livechat", Chat: chat, User: "user1"},
			Message: messages.Message{
				ID: u.id, Type: messages.MessageFile, File: &file, Author: messages.Author{ID: "user1", Type: "user"},
				CreatedAt: time.Now().Add(-u.age).UTC().Format(time.RFC3339),
			},
		})
		_, decided := db.DecideMedia(t.Context(), store.Media{Chat: chat, File: file, State: store.MediaReleased, DecidedAt: time.Now()})
		if err := errors.Join(saved, decided, db.SaveAccount(t.Context(), u.account)); err != nil {
			t.Fatal(err)
		}
	}
	var lines conformance.Journal
	if err := newRetention(db, files, lines.Logger()).sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append(keysOf("media_new"), keysOf("media_kept")...)
	if got := left(t, files, all...); !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	if strings.Contains(lines.String(), "media_") {
		t.Errorf("the log tells a media id, by which a file can be read: %s", lines.String())
	}
}

func TestRetentionWaitsForABlobStoreThatIsDown(t *testing.T) {
	ids := []string{"media_1", "media_2"}
	files := &troubled{Store: filed(t, ids...)}
	synctest.Test(t, func(t *testing.T) {
		a := &attic{accounts: []store.Account{keeping("a", 1)}, old: map[string]int{"a": 1500}, uploads: ids}
		files.fails = func() error {
			if time.Since(a.began) < time.Minute {
				return messages.Unavailable(errors.New("no connection"))
			}
			return nil
		}
		deleted, log := sweepingFiles(t, a, files, 2*time.Minute)
		if len(a.calls) != 2 || a.calls[1].at < time.Minute || deleted != 1500 {
			t.Errorf("%v deleted by %+v, want the second slice after the files of the first", deleted, a.calls)
		}
		if asked := files.asked.Load(); asked > 20 { // 2 uploads, every 10 s
			t.Errorf("a blob store that is down was asked %d times", asked)
		}
		if strings.Contains(log, "ERROR") || strings.Count(log, "wait for the blob store") != 1 {
			t.Errorf("log says %s", log)
		}
	})
	if keys := left(t, files.Store, ids...); len(keys) > 0 {
		t.Errorf("left are %v", keys)
	}
}

// A store that deletes in several transactions may fail after some of them.
func TestRetentionDeletesTheFilesOfWhatWasDeletedBesideAnError(t *testing.T) {
	for name, err := range map[string]error{"outage": messages.Unavailable(errors.New("down")), "error": errors.New("broken index")} {
		t.Run(name, func(t *testing.T) {
			files := filed(t, "media_1")
			synctest.Test(t, func(t *testing.T) {
				a := &attic{accounts: []store.Account{keeping("a", 1)}, old: map[string]int{"a": 5}}
				a.beside = store.Deleted{Messages: 2, Files: []string{"media_1"}}
				a.fails = func(org string) error {
					if org == "a" && len(a.calls) == 1 {
						return err
					}
					return nil
				}
				if deleted, _ := sweepingFiles(t, a, files, 2*time.Hour); deleted != 7 {
					t.Errorf("%v deleted, want those beside the error too", deleted)
				}
			})
			if keys := left(t, files, "media_1"); len(keys) > 0 {
				t.Errorf("left are %v", keys)
			}
		})
	}
}

// One file that cannot be deleted at all keeps no other, and no message.
func TestRetentionGoesOnAfterAFileThatStays(t *testing.T) {
	files := filed(t, "media_1")
	synctest.Test(t, func(t *testing.T) {
		a := &attic{accounts: []store.Account{keeping("a", 1)}, old: map[string]int{"a": 1500}, uploads: []string{"no key of OURS", "media_1"}}
		deleted, log := sweepingFiles(t, a, files, time.Minute)
		if deleted != 1500 || strings.Count(log, "files of deleted messages stay") != 1 {
			t.Errorf("%v deleted; log says %s", deleted, log)
		}
	})
	if keys := left(t, files, "media_1"); len(keys) > 0 {
		t.Errorf("left are %v", keys)
	}
}

// No row names the files of a slice any more: a stop lets them go first, unless the blob store does not let it.
func TestRetentionStopsAfterTheFilesOfItsSlice(t *testing.T) {
	tests := map[string]struct {
		takes time.Duration // one deletion
		fails func() error
		late  time.Duration
		stay  int
	}{
		"up":    {takes: time.Second, late: 2500 * time.Millisecond},
		"hangs": {takes: time.Hour, late: retentionLast, stay: 3},
		"down":  {fails: func() error { return messages.Unavailable(errors.New("no connection")) }, stay: 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := &troubled{Store: filed(t, "media_1"), takes: tt.takes, fails: tt.fails}
			synctest.Test(t, func(t *testing.T) {
				a := &attic{accounts: []store.Account{keeping("a", 1)}, old: map[string]int{"a": 1}, uploads: []string{"media_1"}}
				ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer stop()
				var lines conformance.Journal
				began := time.Now()
				if err := newRetention(a, files, lines.Logger()).run(ctx); err != nil {
					t.Error(err)
				}
				if late := time.Since(began) - 500*time.Millisecond; late != tt.late {
					t.Errorf("it stopped %s late, want %s", late, tt.late)
				}
				if told := strings.Contains(lines.String(), "files of deleted messages stay"); told != (tt.stay > 0) {
					t.Errorf("log says %s", lines.String())
				}
			})
			if keys := left(t, files.Store, "media_1"); len(keys) != tt.stay {
				t.Errorf("left are %v, want %d", keys, tt.stay)
			}
		})
	}
}
