package settings

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhatCannotBeClosedIsTold, whatever was done with it before.
func TestWhatCannotBeClosedIsTold(t *testing.T) {
	failed, torn := errors.New("failed"), errors.New("torn")
	for name, c := range map[string]struct{ done, closed error }{
		"both well": {}, "done badly": {done: failed}, "closed badly": {closed: torn}, "both badly": {done: failed, closed: torn},
	} {
		var steps []string
		err := closing(
			func() error { steps = append(steps, "close"); return c.closed },
			func() error { steps = append(steps, "do"); return c.done },
		)
		if c.done != nil && !errors.Is(err, c.done) || c.closed != nil && !errors.Is(err, c.closed) || (err == nil) != (c.done == nil && c.closed == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(steps, []string{"do", "close"}) {
			t.Errorf("%s: %v", name, steps)
		}
	}
}

// TestWithBusTellsWhatItsEndSays: a command that did its work on the embedded bus still fails when the bus does not close.
func TestWithBusTellsWhatItsEndSays(t *testing.T) {
	data := t.TempDir()
	bus := BusSettings{BusConfig: BusConfig{Data: data, Bus: Embedded, Prefix: "livepipe"}}
	std := Streams{Out: new(strings.Builder), Err: new(strings.Builder)}
	if err := bus.WithBus(t.Context(), std, func(*OpenBus) error { return nil }); err != nil {
		t.Fatal(err)
	}
	err := bus.WithBus(t.Context(), std, func(*OpenBus) error {
		file := filepath.Join(data, brokerAddressFile)
		if err := os.Remove(file); err != nil {
			return err
		}
		return os.MkdirAll(filepath.Join(file, "not empty"), 0o700) // so that it cannot be removed
	})
	if err == nil || !strings.Contains(err.Error(), "remove "+filepath.Join(data, brokerAddressFile)) {
		t.Errorf("the end of the bus failed, and the command says %v", err)
	}
}
