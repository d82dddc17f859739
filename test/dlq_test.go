package test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDeadLetters follows an operator: an event that a rule cannot judge is set aside; it is listed beside the running
// process and without one; the rule is mended; the event is handed back to that one worker and arrives.
func TestDeadLetters(t *testing.T) {
	bad := writeFile(t, "bad.yaml", "rules:\n  - {name: breaks, when: 'int(message.text) > 0', to: [log]}\n")
	env := []string{"LIVEPIPE_DATA=" + t.TempDir()}
	p := start(t, append(env, "LIVEPIPE_ROUTES="+bad), "serve")
	post(t, p.URL+"/livechat/"+identifier, spec(t, "receive-message.request"))
	var list string
	eventually(t, "the dead letter is listed beside the running process", func() bool {
		out, errs, code := command(t, env, "dlq", "list")
		if code != 0 {
			t.Fatal(errs)
		}
		list = out
		return strings.Contains(out, "routing")
	})
	row := regexp.MustCompile(`(?m)^routing +(\d+) +refused +1 .* livechat\.message\.received\.v1 +(evt_\w+)$`).FindStringSubmatch(list)
	if row == nil {
		t.Fatalf("the list does not say what died and why:\n%s", list)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Fatalf("exit %d", code)
	}

	shown, errs, code := command(t, env, "dlq", "show", "routing", row[1])
	if code != 0 || !strings.Contains(shown, row[2]) || !strings.Contains(shown, "breaks") || strings.Contains(shown, "order #12345") {
		t.Errorf("show without a running process: exit %d\n%s%s", code, shown, errs)
	}
	if whole, _, _ := command(t, env, "dlq", "show", "--payload", "routing", row[1]); !strings.Contains(whole, "order #12345") {
		t.Errorf("show --payload does not show the event:\n%s", whole)
	}

	good := writeFile(t, "good.yaml", "rules:\n  - {name: all, when: 'true', to: [log]}\n")
	p = start(t, append(env, "LIVEPIPE_ROUTES="+good), "serve")
	for _, wrong := range [][]string{{"redrive", "routing"}, {"redrive", "routing", "--where", "reason = 1"}, {"purge", "routing"}} {
		if _, errs, code := command(t, env, append([]string{"dlq"}, wrong...)...); code != 1 || errs == "" {
			t.Errorf("dlq %v: exit %d %s", wrong, code, errs)
		}
	}
	out, errs, code := command(t, env, "dlq", "redrive", "routing", "--where", `reason == "refused" and attempts < 3`)
	if code != 0 || !strings.Contains(out, "1 handed to routing again") {
		t.Fatalf("redrive: exit %d %s%s", code, out, errs)
	}
	eventually(t, "the event goes where the mended rule says", func() bool {
		return strings.Contains(p.printed(), "event_id="+row[2]) && strings.Contains(p.printed(), "destination=log")
	})
	if out, _, _ := command(t, env, "dlq", "list"); strings.Contains(out, row[2]) {
		t.Errorf("still listed:\n%s", out)
	}
	if out, _, code := command(t, env, "dlq", "purge", "routing", "--all"); code != 0 || !strings.Contains(out, "0 deleted") {
		t.Errorf("purge: %s", out)
	}
}
