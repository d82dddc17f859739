package postgres

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzStorable: whatever the string, the database takes it, it comes back, and no other string is stored the same way.
func FuzzStorable(f *testing.F) {
	for _, s := range []string{"", "plain", "a\x00b", "\x1a", "\x1a00", "\x1a1a00", "\xff\xfe", "\xed\xa0\x80", "é\x00\U0001F642"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept := storable(s)
		if !utf8.ValidString(kept) || strings.IndexByte(kept, 0) >= 0 {
			t.Errorf("%q is kept as %q, which PostgreSQL refuses", s, kept)
		}
		if back := original(kept); back != s { // so it is one to one
			t.Errorf("%q comes back as %q", s, back)
		}
	})
}

func TestOrdinaryTextIsKeptAsItIs(t *testing.T) {
	for _, s := range []string{"", "Hello", "naïve \U0001F642", "\ufffd", "tab\tline\n\x1b[0m"} {
		if storable(s) != s || original(s) != s {
			t.Errorf("%q is kept as %q", s, storable(s))
		}
	}
}

// A row that somebody else wrote may hold what storable never writes.
func TestForeignTextComesBackAsItStands(t *testing.T) {
	for _, s := range []string{"\x1a", "\x1a0", "a\x1azz", "\x1a\x1a", "\x1aG0b", "\x1a+1"} {
		if got := original(s); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
	}
}

func TestArgumentsAreNotChanged(t *testing.T) {
	list := []string{"a\x00"}
	args := []any{"b\x00", list, 1, nil}
	first, second := outgoing(args), outgoing(args)
	if first[0] != "b\x1a00" || second[0] != "b\x1a00" || args[0] != "b\x00" || list[0] != "a\x00" {
		t.Errorf("%q %q from %q: a call that is made again would escape twice", first, second, args)
	}
}
