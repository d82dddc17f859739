package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testSources gives each file of tests by the names of the tests in it.
func testSources(t *testing.T) map[string]string {
	t.Helper()
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	sources := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, found := range name.FindAllStringSubmatch(string(b), -1) {
			sources[found[1]] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// TestEveryPromiseNamesATestThatExists keeps docs/promises.md true: no row without a test, no test that is not there, and
// where a row names a part of a test by its fault, as in "(F14)", no part that is not there.
func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	page, err := os.ReadFile("../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := testSources(t)
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`(?: \\(([FS][0-9]+)\\b)?")
	for _, row := range strings.Split(string(page), "\n") {
		promise := regexp.MustCompile(`^\| [FS]\d+ \|`).MatchString(row)
		names := name.FindAllStringSubmatch(row, -1)
		if promise && len(names) == 0 {
			t.Errorf("no test holds: %s", row)
		}
		for _, n := range names {
			source, ok := sources[n[1]]
			part := regexp.MustCompile(`"(?:[^"]*[ (])?` + n[2] + `\b[^"]*"`)
			if !ok || n[2] != "" && !part.MatchString(source) {
				t.Errorf("%s %s does not exist: %s", n[1], n[2], row)
			}
		}
	}
}
