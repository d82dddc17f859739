package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// TestRedriveWantsARate: a rate that is none is refused before anything is touched. Zero is not "the default", and a
// negative one made SQS's side panic.
func TestRedriveWantsARate(t *testing.T) {
	for _, rate := range []string{"0", "-1", "-0.5", "NaN"} {
		t.Run(rate, func(t *testing.T) {
			t.Setenv("LIVEPIPE_DATA", t.TempDir())
			var out, problem bytes.Buffer
			code := run([]string{"dlq", "redrive", "history", "--all", "--rate=" + rate}, settings.Streams{Out: &out, Err: &problem})
			if code != 1 || out.Len() > 0 || !strings.Contains(problem.String(), "--rate") {
				t.Errorf("exit code %d, printed %q, said %q", code, out.String(), problem.String())
			}
		})
	}
}

// TestDeadLettersOfNobody: a worker that is misspelt has no dead letters to list, which must not read like good news.
func TestDeadLettersOfNobody(t *testing.T) {
	for _, args := range [][]string{
		{"list", "--worker=histroy"}, {"show", "histroy", "1"}, {"redrive", "histroy", "--all"}, {"purge", "histroy", "--all"},
	} {
		t.Run(args[0], func(t *testing.T) {
			t.Setenv("LIVEPIPE_DATA", t.TempDir())
			var out, problem bytes.Buffer
			code := run(append([]string{"dlq"}, args...), settings.Streams{Out: &out, Err: &problem})
			const want = `unknown worker "histroy": known are history, `
			if code != 1 || out.Len() > 0 || !strings.Contains(problem.String(), want) {
				t.Errorf("exit code %d, printed %q, said %q", code, out.String(), problem.String())
			}
		})
	}
}
