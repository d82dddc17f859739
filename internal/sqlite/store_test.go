package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" { // this is the child of TestKilledWriterLosesNothing
		writeUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	conformance.Store(t, func(t *testing.T) conformance.S { return openNew(t) })
}

// openNew opens an empty store in a directory of its own and closes it when the test ends.
func openNew(t testing.TB) *Store {
	t.Helper()
	return openAt(t, migrated(t), Options{})
}

func migrated(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "live pipe?#%.db") // every character that a URI would take for its own
	if err := Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func openAt(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// What the suite begins with.
var (
	chat1    = conformance.Chat1
	received = conformance.Received
	save     = conformance.Save
	count    = conformance.Count
)

func TestReopenedStoreHasEverything(t *testing.T) {
	path := migrated(t)
	s := openAt(t, path, Options{})
	save(t, s, "msg1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the WAL is left after Close: %v", err)
	}
	if err := Migrate(t.Context(), path); err != nil { // as each start of serve does
		t.Fatal(err)
	}
	s = openAt(t, path, Options{})
	if saved, err := s.SaveMessage(t.Context(), "evt_msg1", received("msg1")); saved || err != nil {
		t.Errorf("the same event after a restart: %v, %v, want false", saved, err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestOwnerOnlyFiles(t *testing.T) {
	path := migrated(t)
	s := openAt(t, path, Options{})
	save(t, s, "msg1")
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(name), info.Mode())
		}
	}
}

func TestSchemaVersion(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.db")
	empty := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	older, newer := migrated(t), migrated(t)
	change(t, older, `DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	change(t, newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	for name, tt := range map[string]struct {
		path string
		want error
	}{
		"missing file": {missing, store.ErrSchemaOld},
		"empty file":   {empty, store.ErrSchemaOld},
		"older":        {older, store.ErrSchemaOld},
		"newer":        {newer, store.ErrSchemaNew},
	} {
		_, err := Open(t.Context(), tt.path, Options{})
		if !errors.Is(err, tt.want) || messages.IsUnavailable(err) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if !strings.Contains(store.ErrSchemaOld.Error(), "livepipe provision") {
		t.Error("ErrSchemaOld does not say what to run")
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open made the missing file: %v", err)
	}
	if err := Migrate(t.Context(), newer); !errors.Is(err, store.ErrSchemaNew) {
		t.Errorf("migrating a newer file: %v, want store.ErrSchemaNew", err)
	}
}

// change runs a statement on a file that no store has open.
func change(t *testing.T, path, statement string) {
	t.Helper()
	db := rawOpen(t, path)
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func rawOpen(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", writerDSN(path, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestMigrateManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "livepipe.db")
	var g errgroup.Group
	for range 4 {
		g.Go(func() error { return Migrate(t.Context(), path) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path, Options{})
}

func TestTwoStoresOnOneFile(t *testing.T) {
	path := migrated(t)
	stores := []*Store{openAt(t, path, Options{}), openAt(t, path, Options{})}
	var saved atomic.Int32
	var g errgroup.Group
	for i := range 200 { // each message through both
		g.Go(func() error {
			id := fmt.Sprint(i / 2)
			ok, err := stores[i%2].SaveMessage(t.Context(), "evt_"+id, received(id))
			if ok {
				saved.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, stores[0]); n != 100 || saved.Load() != 100 {
		t.Errorf("%d messages, %d calls that saved one, want 100", n, saved.Load())
	}
}

func TestCloseWhileWriting(t *testing.T) {
	path := migrated(t)
	s := openAt(t, path, Options{})
	var acknowledged atomic.Int32
	var g errgroup.Group
	first := make(chan struct{}, 16)
	for i := range 16 {
		g.Go(func() error {
			for n := 0; ; n++ {
				id := fmt.Sprint(i, "-", n)
				saved, err := s.SaveMessage(t.Context(), "evt_"+id, received(id))
				if messages.IsUnavailable(err) {
					return nil
				}
				if !saved || err != nil {
					return fmt.Errorf("%v, %w", saved, err)
				}
				acknowledged.Add(1)
				if n == 0 {
					first <- struct{}{}
				}
			}
		})
	}
	for range 16 {
		<-first
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, openAt(t, path, Options{})); n != int(acknowledged.Load()) {
		t.Errorf("%d messages, %d acknowledged", n, acknowledged.Load())
	}
}
