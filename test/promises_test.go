package test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPromiseNamesATestThatExists keeps docs/promises.md true: no row without a test, no test that is not there.
func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	page, err := os.ReadFile("../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "-C", "..", "grep", "-h", "-o", "-E", "--untracked", "^func (Test|Fuzz)[A-Za-z0-9_]+", "--", "*_test.go").Output()
	if err != nil {
		t.Skipf("the tests cannot be listed (%v): run it in a git checkout to enable it", err)
	}
	exists := map[string]bool{}
	for _, line := range strings.Fields(string(out)) {
		exists[line] = true
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	for _, row := range strings.Split(string(page), "\n") {
		promise := regexp.MustCompile(`^\| [FS]\d+ \|`).MatchString(row)
		names := name.FindAllStringSubmatch(row, -1)
		if promise && len(names) == 0 {
			t.Errorf("no test holds: %s", row)
		}
		for _, n := range names {
			if !exists[n[1]] {
				t.Errorf("%s does not exist: %s", n[1], row)
			}
		}
	}
}
