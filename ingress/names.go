package ingress

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilename is what every file system takes as a name, 255 bytes, less some room for what a browser adds to a copy.
const maxFilename = 200

// sameKind lists the other endings that a file of a kind may keep: people see no difference.
var sameKind = map[string][]string{
	".jpg": {".jpeg", ".jpe", ".jfif"},
	".mp4": {".m4v"},
	".ogg": {".oga", ".opus"},
	".txt": {".text", ".log", ".md", ".tsv"},
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// displayName makes what a sender calls a file safe to show and to save: the last part of the path, no characters that
// are invisible, turn the text around or mean something to a file system, no name that Windows keeps for a device, and
// an ending that says what the file is. It is never used as a path here.
func displayName(given, extension string) string {
	name := given[strings.LastIndexAny(given, `/\`)+1:]
	name = strings.Map(safeRune, strings.ToValidUTF8(name, ""))
	name = strings.Trim(name, " .")
	if name == "" {
		name = "file"
	}
	if isDevice(name) {
		name = "_" + name
	}
	ending := path.Ext(name)
	stem := strings.TrimSuffix(name, ending)
	if lower := strings.ToLower(ending); lower != extension && !slices.Contains(sameKind[extension], lower) {
		stem, ending = name, extension
	}
	return shorten(stem, maxFilename-len(ending)) + ending
}

func safeRune(r rune) rune {
	switch {
	case strings.ContainsRune(`<>:"|?*`, r):
		return '_'
	case unicode.IsControl(r):
		return -1
	case unicode.IsSpace(r):
		return ' '
	case !unicode.IsGraphic(r): // format characters, such as the right-to-left override
		return -1
	}
	return r
}

// shorten cuts s to at most n bytes, between two characters.
func shorten(s string, n int) string {
	for len(s) > n {
		_, last := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-last]
	}
	return s
}

// isDevice reports whether Windows would open a device, whatever the ending.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimRight(stem, " "); stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	digit, numbered := strings.CutPrefix(stem, "COM")
	if !numbered {
		digit, numbered = strings.CutPrefix(stem, "LPT")
	}
	return numbered && utf8.RuneCountInString(digit) == 1 && strings.Contains("0123456789¹²³", digit)
}
