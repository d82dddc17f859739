package test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/livepipe/livepipe/channels/livechat/webapi/standin"
)

// rotate runs livepipe livechat rotate.
func (o *office) rotate(code int, more ...string) string {
	o.t.Helper()
	return o.run(code, append([]string{"livechat", "rotate", ofTenant, ofChat, "--overlap=0"}, more...)...)
}

// registration is what the app has of our URL: the ids and the secrets of its webhooks.
func (o *office) registration() (ids, secrets []string) {
	for _, w := range o.server.Webhooks() {
		if w.URL != hookURL {
			continue
		}
		ids = append(ids, w.ID)
		if !slices.Contains(secrets, w.Secret) {
			secrets = append(secrets, w.Secret)
		}
	}
	return ids, secrets
}

// TestLiveChatRotate: every webhook gets a new secret and nothing else, and neither the old nor the new one is refused.
func TestLiveChatRotate(t *testing.T) {
	o := withAccount(t)
	if said := o.rotate(1); !strings.Contains(said, "no webhook that livepipe livechat register made") {
		t.Errorf("before there are any: %s", said)
	}
	o.server.Register(standin.Webhook{ID: "x1", OwnerClientID: appID, Action: "incoming_chat", URL: hookURL, Description: "livepipe cred_of_another", Type: "license"})
	o.register(0, "--no-own-messages", "--actions=incoming_event,event_updated")
	before := o.server.Webhooks()
	if said := o.rotate(0, "--dry-run"); strings.Count(said, "to be replaced") != 2 || o.calls("register_webhook") != 2 || strings.Contains(o.run(0, "account", "show", ofTenant, ofChat), "  old") {
		t.Errorf("a dry run is not dry:\n%s", said)
	}
	said := o.rotate(0)
	after := o.server.Webhooks()
	if len(after) != 3 || after[0].ID != "x1" || strings.Count(said, "replaced") != 2 {
		t.Fatalf("%+v\n%s", after, said)
	}
	for i, w := range after[1:] {
		was := before[i+1]
		if w.ID == was.ID || w.Secret == was.Secret || w.Secret != after[1].Secret || w.Action != was.Action || w.URL != was.URL ||
			!slices.Equal(w.SourceType, []string{"other_clients", "system"}) || !slices.Equal(w.AdditionalData, was.AdditionalData) {
			t.Errorf("%+v became %+v", was, w)
		}
	}

	p := start(t, o.env, "serve")
	body := `{"webhook_id":%q,"secret_key":%q,"action":"chat_deactivated","organization_id":"o","payload":{"chat_id":"A","thread_id":"B"}}`
	for _, w := range []standin.Webhook{before[1], after[1]} {
		if status, answer := post(t, p.URL+"/webhooks/livechat/"+identifier, fmt.Sprintf(body, w.ID, w.Secret)); status != http.StatusOK {
			t.Errorf("a post of %s: %d %s", w.ID, status, answer)
		}
	}
	shown := o.run(0, "account", "show", ofTenant, ofChat)
	for _, w := range before[1:] { // the old ones have an end
		if f := row(shown, w.ID); len(f) != 8 || f[6] == "-" || f[7] != "old" {
			t.Errorf("the secret of %s: %q", w.ID, f)
		}
	}
	if o.rotate(0); o.server.Webhooks()[1].Secret == after[1].Secret {
		t.Error("a second rotation did nothing")
	}
	if said := o.register(0, "--no-own-messages", "--actions=incoming_event,event_updated"); strings.Count(said, "was registered before") != 2 {
		t.Errorf("register after a rotation: %s", said)
	}
}

// TestLiveChatRotateHalfWay: wherever a rotation breaks, the next run ends it, and makes no more webhooks than it needs.
func TestLiveChatRotateHalfWay(t *testing.T) {
	refused := standin.Fault{Status: 403, Type: "authorization"}
	lost := standin.Fault{Status: 500, Type: "internal", Done: true}
	for name, c := range map[string]struct {
		faults map[string][]standin.Fault
		says   string
	}{
		"before the first":            {map[string][]standin.Fault{"register_webhook": {refused}}, "0 of 21 new webhooks are registered"},
		"in the middle":               {map[string][]standin.Fault{"register_webhook": {{}, {}, refused}}, "2 of 21 new webhooks are registered"},
		"an answer is lost":           {map[string][]standin.Fault{"register_webhook": {lost}, "list_webhooks": {{}, refused}}, "0 of 21 new webhooks are registered"},
		"before the first is removed": {map[string][]standin.Fault{"unregister_webhook": {refused}}, "the new webhooks are all there"},
		"while they are removed":      {map[string][]standin.Fault{"unregister_webhook": {{}, {}, refused}}, "the new webhooks are all there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := withAccount(t)
			o.register(0)
			old, oldSecret := o.registration()
			for method, faults := range c.faults {
				o.server.Break(method, faults...)
			}
			if said := o.rotate(1); !strings.Contains(said, c.says) {
				t.Errorf("said %s", said)
			}
			o.rotate(0)
			ids, secrets := o.registration()
			if len(ids) != chatActions || slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(old, id) }) || slices.Contains(secrets, oldSecret[0]) {
				t.Errorf("%d webhooks, %v; the old ones were %v", len(ids), ids, old)
			}
			failed := 0 // calls that had no effect
			for _, f := range c.faults["register_webhook"] {
				if f == refused {
					failed++
				}
			}
			if n := o.calls("register_webhook"); n != 2*chatActions+failed {
				t.Errorf("register_webhook was called %d times", n)
			}
			if n := o.sealed(); n != 2*chatActions {
				t.Errorf("%d secrets, want the old and the new of each of %d", n, chatActions)
			}
			if shown := o.run(0, "account", "show", ofTenant, ofChat); strings.Count(shown, "  old") != chatActions {
				t.Errorf("not every old secret is marked:\n%s", shown)
			}
		})
	}
}

// TestLiveChatRotateLosesNothing: the old webhooks stand until LiveChat knows the new ones for certain. Who does not want
// to wait comes again.
func TestLiveChatRotateLosesNothing(t *testing.T) {
	o := withAccount(t)
	o.register(0)
	cmd := exec.CommandContext(t.Context(), binary, "livechat", "rotate", ofTenant, ofChat, "--overlap=1h")
	cmd.Env = append(os.Environ(), o.env...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for in := bufio.NewScanner(said); in.Scan(); {
		if lines = append(lines, in.Text()); strings.Contains(in.Text(), "The old ones go in 1h") {
			if ids, secrets := o.registration(); len(ids) != 2*chatActions || len(secrets) != 2 || o.calls("unregister_webhook") != 0 {
				t.Errorf("%d webhooks with %d secrets while it waits", len(ids), len(secrets))
			}
			cmd.Process.Signal(syscall.SIGINT)
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(strings.Join(lines, "\n"), "run the command again to remove the old ones") {
		t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	o.rotate(0)
	if ids, secrets := o.registration(); len(ids) != chatActions || len(secrets) != 1 || o.calls("register_webhook") != 2*chatActions {
		t.Errorf("%d webhooks with %d secrets", len(ids), len(secrets))
	}
}

// TestLiveChatRotateRefuses before anything is changed, and says what to do.
func TestLiveChatRotateRefuses(t *testing.T) {
	o := withAccount(t)
	theirs := standin.Webhook{ID: "x1", OwnerClientID: appID, Action: "incoming_chat", URL: "https://elsewhere.example.com", Type: "license"}
	o.server.Register(theirs, theirs)
	o.register(0)
	if said := o.rotate(1); !strings.Contains(said, "remove one first for incoming_chat (") || o.calls("register_webhook") != chatActions || strings.Contains(o.run(0, "account", "show", ofTenant, ofChat), "  old") {
		t.Errorf("three are there: %s", said)
	}
	o.run(1, "livechat", "rotate", "--org=typo", ofChat)
	o.run(1, "livechat", "rotate", ofTenant, ofChat, "--overlap=-1s")

	secret := writeFile(t, "secret", "a-secret-key")
	for _, args := range [][]string{{"--secret-key-file=" + secret}, {}} {
		said := o.run(1, append([]string{"account", "rotate", ofTenant, ofChat, "--kind=secret"}, args...)...)
		if !strings.Contains(said, "livepipe livechat rotate") || len(args) > 0 && !strings.Contains(said, "incoming_chat, incoming_event") {
			t.Errorf("account rotate %v: %s", args, said)
		}
	}
}
