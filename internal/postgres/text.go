package postgres

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// PostgreSQL's text holds no NUL and nothing that is not UTF-8; strings of Go and SQLite hold both. What the database
// would refuse is written as the character SUBSTITUTE and two hexadecimal digits for each byte, and SUBSTITUTE itself so
// too: every string comes back as it was, and different strings stay different, which keys depend on.
const substitute = '\x1a'

const hexDigits = "0123456789abcdef"

// storable is s as the database keeps it. Nearly always it is s.
func storable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 && strings.IndexByte(s, substitute) < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == 0 || r == substitute || r == utf8.RuneError && size == 1 {
			b.WriteByte(substitute)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// original undoes storable. What storable never writes, somebody else's row, comes back as it stands.
func original(s string) string {
	at := strings.IndexByte(s, substitute)
	if at < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for ; at >= 0; at = strings.IndexByte(s, substitute) {
		b.WriteString(s[:at])
		s = s[at:]
		if len(s) < 3 {
			break
		}
		c, err := strconv.ParseUint(s[1:3], 16, 8)
		if err != nil {
			b.WriteByte(substitute)
			s = s[1:]
			continue
		}
		b.WriteByte(byte(c))
		s = s[3:]
	}
	b.WriteString(s)
	return b.String()
}

// outgoing is the arguments with every string storable. They are copied before anything in them changes: a call may be
// made again from the same ones.
func outgoing(args []any) []any {
	out, shared := args, true
	set := func(i int, arg any) {
		if shared {
			out, shared = slices.Clone(args), false
		}
		out[i] = arg
	}
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			if kept := storable(arg); kept != arg {
				set(i, kept)
			}
		case []string:
			kept := slices.Clone(arg)
			for j := range kept {
				kept[j] = storable(kept[j])
			}
			set(i, kept)
		}
	}
	return out
}

// incoming gives every string that was just read its original form.
func incoming(dest []any) {
	for _, d := range dest {
		switch d := d.(type) {
		case *string:
			*d = original(*d)
		case *sql.NullString:
			d.String = original(d.String)
		}
	}
}
