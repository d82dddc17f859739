package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // to read the other store's schema

	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func TestSchemaVersion(t *testing.T) {
	empty, older, newer := newDatabase(t), migrated(t), migrated(t)
	execute(t, older, `DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	execute(t, newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`)
	for name, tt := range map[string]struct {
		dsn  string
		want error
	}{
		"empty": {empty, store.ErrSchemaOld},
		"older": {older, store.ErrSchemaOld},
		"newer": {newer, store.ErrSchemaNew},
	} {
		_, err := Open(t.Context(), tt.dsn, Options{})
		if !errors.Is(err, tt.want) || messages.IsUnavailable(err) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		dsn  string
		want int64
	}{"empty": {empty, 0}, "older": {older, lastVersion() - 1}, "newer": {newer, 999}} {
		if has, want, err := Schema(t.Context(), tt.dsn); has != tt.want || want != lastVersion() || err != nil {
			t.Errorf("%s: version %d of %d, %v", name, has, want, err)
		}
	}
	if err := Migrate(t.Context(), newer); !errors.Is(err, store.ErrSchemaNew) {
		t.Errorf("migrating a newer one: %v, want ErrSchemaNew", err)
	}
	if tables := columnsOf(t, empty); len(tables) != 0 {
		t.Errorf("Open made %v", tables)
	}
}

// A database of the first version, with data in it, becomes one of this version and has lost nothing.
func TestMigrateFromTheFirstSchema(t *testing.T) {
	dsn := newDatabase(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := newProvider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, conformance.FirstSchema(func(hex string) string { return `'\x` + hex + `'` }, "true")...)
	conformance.HoldFirstSchema(t, openAt(t, migratedAs(t, dsn)))
}

func TestMigrateManyAtOnce(t *testing.T) {
	dsn := newDatabase(t)
	var g errgroup.Group
	for range 8 {
		g.Go(func() error { return Migrate(t.Context(), dsn) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, dsn)
	save(t, s, "msg1")
	if err := Migrate(t.Context(), dsn); err != nil { // as each start of serve does
		t.Error(err)
	}
	if applied := ask(t, s, `SELECT count(*)::text FROM goose_db_version WHERE version_id > 0`); applied != fmt.Sprint(lastVersion()) {
		t.Errorf("%s migrations were applied, want each of %d once", applied, lastVersion())
	}
}

func TestMigrateWaitsUntilItsContextEnds(t *testing.T) {
	dsn := newDatabase(t)
	s := openAt(t, migratedAs(t, dsn))
	// The lock of whoever migrates, held by somebody else.
	holder, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(t.Context(), `SELECT pg_advisory_lock(4097083626)`); err != nil {
		t.Fatal(err)
	}
	defer holder.Exec(context.Background(), `SELECT pg_advisory_unlock_all()`)
	execute(t, dsn, `DELETE FROM goose_db_version WHERE version_id > 0`) // there is something to do
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Migrate(ctx, dsn) }()
	waitFor(t, s, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%try_advisory_lock%' AND pid <> pg_backend_pid())::text`, "true")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || messages.IsUnavailable(err) {
		t.Errorf("Migrate = %v, want its context's end", err)
	}
}

func migratedAs(t testing.TB, dsn string) string {
	t.Helper()
	if err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func TestEncodingThatLosesCharactersIsRefused(t *testing.T) {
	dsn := newDatabase(t, "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	if err := Migrate(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "LATIN1") || messages.IsUnavailable(err) {
		t.Errorf("Migrate = %v, want a word about LATIN1", err)
	}
	if _, err := Open(t.Context(), dsn, Options{}); err == nil || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("Open = %v, want a word about LATIN1", err)
	}
}

// Both stores count their migrations alike, so that a version means the same for either.
func TestMigrationsAreNumberedAsSQLites(t *testing.T) {
	var names [2][]string
	for i, dir := range []string{"migrations", "../sqlite/migrations"} {
		all, err := fs.Glob(os.DirFS(dir), "*.sql")
		if err != nil || len(all) == 0 {
			t.Fatal(err, all)
		}
		names[i] = all
	}
	if diff := cmp.Diff(names[1], names[0]); diff != "" {
		t.Error(diff)
	}
}

func TestTablesAndColumnsAreSQLites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "livepipe.db")
	if err := sqlite.Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	want := namesFrom(t, "sqlite", path, `
		SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'goose%' ORDER BY t.name, c.cid`)
	if len(want) == 0 {
		t.Fatal("SQLite's schema is empty")
	}
	if diff := cmp.Diff(want, columnsOf(t, migrated(t))); diff != "" {
		t.Error(diff)
	}
}

// columnsOf lists the columns of a database, goose's apart, by table and place.
func columnsOf(t *testing.T, dsn string) []string {
	t.Helper()
	return namesFrom(t, "pgx", dsn, `
		SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY table_name COLLATE "C", ordinal_position`)
}

func namesFrom(t *testing.T, driver, dsn, query string) (names []string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
