package test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProvisionCheck: a pipeline can tell by the exit code that something is missing or differs, and looking changes
// nothing. The schema counts like topics and queues.
func TestProvisionCheck(t *testing.T) {
	if _, errs, code := command(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "provision", "--check"); code != 1 || !strings.Contains(errs, "LIVEPIPE_BUS=aws") {
		t.Errorf("on the embedded bus: exit %d\n%s", code, errs)
	}
	if os.Getenv("AWS_ENDPOINT_URL") == "" {
		t.Skip("needs LocalStack: run make test-aws")
	}
	data, name := t.TempDir(), "t"+strings.ToLower(rand.Text()[:12])
	env := []string{"LIVEPIPE_DATA=" + data, "LIVEPIPE_BUS=aws", "LIVEPIPE_PREFIX=" + name, "LIVEPIPE_BLOBS=s3://" + name}
	for _, step := range []struct {
		args string
		code int
		says string
	}{
		{"--check", 3, "livepipe.db  version 0 to "},
		{"--check", 3, "livepipe-claims"},
		{"--dry-run", 0, "would create  queue"},
		{"", 0, "created"},
		{"--check", 0, "stand as they should"},
		{"--check --visibility-timeout=3m", 3, `VisibilityTimeout is "60", should be "180"`},
		{"--check --fix --visibility-timeout=3m", 3, "would repair"},
		{"--dry-run --visibility-timeout=3m", 0, "differs"},
	} {
		out, errs, code := command(t, env, append([]string{"provision"}, strings.Fields(step.args)...)...)
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("provision %s: exit %d, want %d and %q\n%s%s", step.args, code, step.code, step.says, out, errs)
		}
		if _, err := os.Stat(filepath.Join(data, "livepipe.db")); step.says == "livepipe-claims" && err == nil {
			t.Error("looking made the database")
		}
	}
	// The schema alone is enough.
	if out, errs, code := command(t, append(env, "LIVEPIPE_DATA="+t.TempDir()), "provision", "--check"); code != 3 {
		t.Errorf("with a database that has no schema: exit %d\n%s%s", code, out, errs)
	}
}
