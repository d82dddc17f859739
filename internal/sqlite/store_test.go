package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/livepipe/livepipe/internal/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Store(t, func(t *testing.T) conformance.S { return openNew(t) })
}

// openNew opens an empty store in a directory of its own and closes it when the test ends.
func openNew(t testing.TB) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "livepipe.db")
	if err := Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return openAt(t, path)
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
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
