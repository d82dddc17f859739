package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/livepipe/livepipe/internal/conformance"
)

// A file of the first version, with data in it, becomes one of this version and has lost nothing.
func TestMigrateFromTheFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "livepipe.db")
	if err := create(path); err != nil {
		t.Fatal(err)
	}
	db := rawOpen(t, path)
	provider, err := newProvider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, statement := range conformance.FirstSchema(func(hex string) string { return "x'" + hex + "'" }, "1") {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	conformance.HoldFirstSchema(t, openAt(t, path, Options{}))
}
