package ingress

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}
