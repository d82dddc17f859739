package bus_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The wire forms of every release that there was stay here, because old and new processes run side by side.
func TestGoldenWireForms(t *testing.T) {
	event := largeEvent(t)
	small := newMessage("evt_1", message.Metadata{bus.MetadataType: "livechat.message.received.v1", bus.MetadataLane: "abc"},
		`{"specversion":"1.0"}`)
	claims := &blobs{}
	for name, msg := range map[string]*message.Message{
		"plain":          small,
		"wrapped":        newMessage("evt_1", message.Metadata{"a key": "größe & more", "b": "", "type": "t"}, `{"specversion":"1.0"}`),
		"wrapped-base64": newMessage("evt_1", nil, "\xff\x00"),
		"wrapped-empty":  newMessage("\x00", nil, ""),
		"claim":          event,
		"claim-raw":      newMessage("evt_1", nil, strings.Repeat("x", bus.ClaimAbove)),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			got := show(packLarge(t, claims, msg))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the wire form changed:\n%s\nwas\n%s", got, want)
			}
			mustEqual(t, msg, receive(t, claims, parse(t, string(want))))
		})
	}
}

// show is an attribute a line, a blank line and the body.
func show(wire *message.Message) string {
	lines := []string{bus.UUIDKey + ": " + wire.UUID}
	for _, k := range slices.Sorted(maps.Keys(wire.Metadata)) {
		lines = append(lines, k+": "+wire.Metadata[k])
	}
	return strings.Join(lines, "\n") + "\n\n" + string(wire.Payload)
}

func parse(t *testing.T, text string) *message.Message {
	t.Helper()
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		t.Fatal("golden file without a body")
	}
	wire := message.NewMessage("", []byte(body))
	for line := range strings.Lines(head) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if k == bus.UUIDKey {
			wire.UUID = v
		} else {
			wire.Metadata.Set(k, v)
		}
	}
	return wire
}
