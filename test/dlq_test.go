package test

import (
	"regexp"
	"strings"
	"testing"
)

// deadLetters follows an operator: an event that a rule cannot judge is set aside; it is listed beside the running
// processes and without them; the rule is mended; the event is handed back to that one worker and arrives.
func deadLetters(t *testing.T, s stack) {
	bad := writeFile(t, "bad.yaml", "rules:\n  - {name: breaks, when: 'int(message.text) > 0', to: [log]}\n")
	at := s.open(t, []string{"LIVEPIPE_ROUTES=" + bad}, "routing", "dispatch")
	post(t, at.ingress.URL+"/livechat/"+identifier, spec(t, "receive-message.request"))
	var list string
	eventually(t, "the dead letter is listed beside the running process", func() bool {
		out, errs, code := command(t, at.env, "dlq", "list")
		if code != 0 {
			t.Fatal(errs)
		}
		list = out
		return strings.Contains(out, "routing")
	})
	row := regexp.MustCompile(`(?m)^routing +(\S+) +refused +1 .* livechat\.message\.received\.v1 +(evt_\w+)$`).FindStringSubmatch(list)
	if row == nil {
		t.Fatalf("the list does not say what died and why:\n%s", list)
	}
	at.terminate()

	shown, errs, code := command(t, at.env, "dlq", "show", "routing", row[1])
	if code != 0 || !strings.Contains(shown, row[2]) || !strings.Contains(shown, "breaks") || strings.Contains(shown, "order #12345") {
		t.Errorf("show without a running process: exit %d\n%s%s", code, shown, errs)
	}
	if whole, _, _ := command(t, at.env, "dlq", "show", "--payload", "routing", row[1]); !strings.Contains(whole, "order #12345") {
		t.Errorf("show --payload does not show the event:\n%s", whole)
	}

	at.restart("LIVEPIPE_ROUTES=" + writeFile(t, "good.yaml", "rules:\n  - {name: all, when: 'true', to: [log]}\n"))
	for _, wrong := range [][]string{{"redrive", "routing"}, {"redrive", "routing", "--where", "reason = 1"}, {"purge", "routing"}} {
		if _, errs, code := command(t, at.env, append([]string{"dlq"}, wrong...)...); code != 1 || errs == "" {
			t.Errorf("dlq %v: exit %d %s", wrong, code, errs)
		}
	}
	out, errs, code := command(t, at.env, "dlq", "redrive", "routing", "--where", `reason == "refused" and attempts < 3`)
	if code != 0 || !strings.Contains(out, "1 handed to routing again") {
		t.Fatalf("redrive: exit %d %s%s", code, out, errs)
	}
	eventually(t, "the event goes where the mended rule says", func() bool {
		printed := at.workers["dispatch"].printed()
		return strings.Contains(printed, "event_id="+row[2]) && strings.Contains(printed, "destination=log")
	})
	if out, _, _ := command(t, at.env, "dlq", "list"); strings.Contains(out, row[2]) {
		t.Errorf("still listed:\n%s", out)
	}
	if out, _, code := command(t, at.env, "dlq", "purge", "routing", "--all"); code != 0 || !strings.Contains(out, "0 deleted") {
		t.Errorf("purge: %s", out)
	}
}
