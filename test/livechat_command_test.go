package test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livepipe/livepipe/channels/livechat/webapi/standin"
	"github.com/livepipe/livepipe/messages"
)

const (
	appID    = "0805e283233042b37f460ed8fbf22160"
	apiToken = "b7eff798-f8df-4364-8059-649c35c9ed0c:dal:token-that-nobody-may-see"
	// apiHeader is what the token must become.
	apiHeader = "Basic YjdlZmY3OTgtZjhkZi00MzY0LTgwNTktNjQ5YzM1YzllZDBjOmRhbDp0b2tlbi10aGF0LW5vYm9keS1tYXktc2Vl"
	hookURL   = "https://livepipe.example.com/webhooks/livechat/" + identifier
	ofTenant  = "--org=org123"
	ofChat    = "--livechat=lc-789"
)

// office is an operator beside a stand-in of LiveChat, who sees to it that nothing secret is ever printed.
type office struct {
	t       *testing.T
	server  *standin.Server
	env     []string
	secrets []string
}

func openOffice(t *testing.T, env ...string) *office {
	o := emptyOffice(t)
	o.env = append(append(o.env, "LIVEPIPE_LIVECHAT_TOKEN="+apiToken, "LIVEPIPE_LIVECHAT_CLIENT_ID="+appID), env...)
	o.run(0, "provision")
	return o
}

// emptyOffice is one in which nothing has run, and nobody has set what an operator sets.
func emptyOffice(t *testing.T) *office {
	o := &office{t: t, server: standin.Start(apiHeader)}
	t.Cleanup(o.server.Close)
	o.env = []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_LIVECHAT_API=" + o.server.URL}
	return o
}

// withAccount is an office with an account, which closes the open mode.
func withAccount(t *testing.T) *office {
	o := openOffice(t)
	o.run(0, "account", "add", ofTenant, ofChat)
	return o
}

// run runs a command to its end and gives all that it printed.
func (o *office) run(code int, args ...string) string {
	o.t.Helper()
	out, errs, got := command(o.t, o.env, args...)
	if got != code {
		o.t.Fatalf("livepipe %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
	}
	for _, w := range o.server.Webhooks() {
		o.secrets = append(o.secrets, w.Secret)
	}
	for _, secret := range append(o.secrets, "token-that-nobody", strings.TrimPrefix(apiHeader, "Basic ")) {
		if secret != "" && strings.Contains(out+errs, secret) {
			o.t.Errorf("livepipe %s prints a secret:\n%s%s", strings.Join(args, " "), out, errs)
		}
	}
	return out + errs
}

func (o *office) register(code int, more ...string) string {
	o.t.Helper()
	return o.run(code, append([]string{"livechat", "register", ofTenant, ofChat, "--url=" + hookURL}, more...)...)
}

// calls counts the calls of a method so far.
func (o *office) calls(method string) (n int) {
	for _, c := range o.server.Calls() {
		if c == method {
			n++
		}
	}
	return n
}

// sealed counts the LiveChat secrets of the account.
func (o *office) sealed() int {
	o.t.Helper()
	return len(regexp.MustCompile(`(?m)^cred_\w+ +secret `).FindAllString(o.run(0, "account", "show", ofTenant, ofChat), -1))
}

// chatActions is how many actions of v3.6 are about a chat.
const chatActions = 21

// TestLiveChatRegister: one command, and LiveChat's posts are let in; a second time changes nothing.
func TestLiveChatRegister(t *testing.T) {
	o := withAccount(t)
	if said := o.register(0, "--dry-run"); !strings.Contains(said, "to be registered") || len(o.server.Webhooks()) != 0 || o.sealed() != 0 {
		t.Fatalf("a dry run is not dry:\n%s", said)
	}
	said := o.register(0)
	hooks := o.server.Webhooks()
	if len(hooks) != chatActions || o.sealed() != chatActions || !o.server.Enabled() {
		t.Fatalf("%d webhooks, %d secrets, enabled %v\n%s", len(hooks), o.sealed(), o.server.Enabled(), said)
	}
	for _, w := range hooks {
		if w.Secret != hooks[0].Secret || len(w.Secret) < 43 || w.URL != hookURL || w.OwnerClientID != appID || w.Type != "license" {
			t.Errorf("registered %+v", w)
		}
		if !slices.Equal(w.SourceType, []string{"my_client", "other_clients", "system"}) {
			t.Errorf("%s would leave out one side: %v", w.Action, w.SourceType)
		}
		if !strings.Contains(said, w.ID) {
			t.Errorf("the table does not name %s", w.ID)
		}
	}
	if again := o.register(0); !strings.Contains(again, "was registered before") || o.calls("register_webhook") != chatActions || o.sealed() != chatActions {
		t.Errorf("a second time is not the same: %d calls, %d secrets\n%s", o.calls("register_webhook"), o.sealed(), again)
	}
	if said := o.register(0, "--no-own-messages"); !strings.Contains(said, "21 webhooks were registered with another choice") || o.calls("register_webhook") != chatActions {
		t.Errorf("another choice of sources:\n%s", said)
	}
	if said := o.register(0, "--all"); strings.Contains(said, "another choice") || len(o.server.Webhooks()) != 38 {
		t.Errorf("--all makes %d webhooks of 38", len(o.server.Webhooks()))
	}

	p := start(t, o.env, "serve")
	body := `{"webhook_id":%q,"secret_key":%q,"action":"incoming_event","organization_id":"0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11",
		"payload":{"chat_id":"RK2ABCDE01","thread_id":"RK2ABCDE77","event":{"id":"RK2ABCDE77_4","type":"message","text":"hello",
		"author_id":"7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9c10","visibility":"all","created_at":"2026-03-02T09:15:04.120301Z"}}}`
	for secret, want := range map[string]int{hooks[0].Secret: http.StatusOK, hooks[0].Secret + "x": http.StatusUnauthorized} {
		if status, answer := post(t, p.URL+"/webhooks/livechat/"+identifier, fmt.Sprintf(body, hooks[0].ID, secret)); status != want {
			t.Errorf("LiveChat's post: %d %s, want %d", status, answer, want)
		}
	}
}

// TestLiveChatRegisterHalfWay: a run that breaks says how far it came, and the next one goes on from there.
func TestLiveChatRegisterHalfWay(t *testing.T) {
	o := withAccount(t)
	o.server.Break("register_webhook", standin.Fault{}, standin.Fault{}, standin.Fault{Status: 400, Type: "validation", Message: "no"})
	said := o.register(1)
	if !strings.Contains(said, "2 of 21 webhooks are registered") || !strings.Contains(said, "unregister --client-id="+appID+" --url="+hookURL) {
		t.Errorf("said %s", said)
	}
	if n := o.sealed(); n != 2 {
		t.Errorf("%d secrets are kept for 2 webhooks", n)
	}

	// LiveChat makes the next one and nobody hears of it: the run after that takes it up.
	o.server.Break("register_webhook", standin.Fault{Status: 500, Type: "internal", Done: true})
	o.server.Break("list_webhooks", standin.Fault{}, standin.Fault{Status: 403, Type: "authorization"})
	o.register(1)
	if hooks, secrets := len(o.server.Webhooks()), o.sealed(); hooks != 3 || secrets != 3 {
		t.Fatalf("%d webhooks and %d secrets, want 3 of each", hooks, secrets)
	}
	o.register(0)
	seen := map[string]bool{}
	for _, w := range o.server.Webhooks() {
		if seen[w.Action] {
			t.Errorf("%s is registered twice", w.Action)
		}
		seen[w.Action] = true
	}
	if len(seen) != chatActions || o.sealed() != chatActions {
		t.Errorf("%d webhooks, %d secrets, want %d", len(seen), o.sealed(), chatActions)
	}
}

// TestLiveChatRegisterRefuses before anything is changed, and says what to do.
func TestLiveChatRegisterRefuses(t *testing.T) {
	theirs := standin.Webhook{ID: "x1", OwnerClientID: appID, Action: "incoming_chat", URL: "https://elsewhere.example.com", Type: "license"}
	atOurs := theirs
	atOurs.URL = hookURL
	for name, c := range map[string]struct {
		args  []string
		hooks []standin.Webhook
		scope string // that the token lacks
		says  string
	}{
		"three are there":        {hooks: []standin.Webhook{theirs, theirs, theirs}, says: "for incoming_chat: remove one of each first"},
		"another secret":         {hooks: []standin.Webhook{atOurs}, says: "a secret that this account does not have, for incoming_chat"},
		"no scope":               {scope: "webhooks.configuration:rw", says: "webhooks need webhooks.configuration:rw"},
		"another account's URL":  {args: []string{"--url=https://livepipe.example.com/livechat/b3RoZXI6dXNlcjQ1NjpsYy03ODk="}, says: `org "other"`},
		"nobody's URL":           {args: []string{"--url=https://livepipe.example.com/webhooks/livechat"}, says: "use --url=https://livepipe.example.com/webhooks/livechat/b3JnMTIzOmxpdmVjaGF0OmxjLTc4OQ, or first run"},
		"a slash at the end":     {args: []string{"--url=https://livepipe.example.com/proxy/webhooks/livechat/"}, says: "must be https://livepipe.example.com/proxy/webhooks/livechat/b3JnMTIzOmxpdmVjaGF0OmxjLTc4OQ"},
		"the other slash":        {args: []string{"--url=https://livepipe.example.com/livechat/"}, says: "ends with a slash"},
		"two slashes":            {args: []string{"--url=" + hookURL + "/"}, says: "is no identifier"},
		"no URL":                 {args: []string{"--url=livepipe.example.com"}, says: "--url must be"},
		"no such action":         {args: []string{"--actions=incoming_fax"}, says: "incoming_fax"},
		"no such account":        {args: []string{"--org=typo", "--url=https://livepipe.example.com/webhooks/livechat"}, says: `no account of org "typo"`},
		"an address in the open": {args: []string{"--api=http://api.example.com"}, says: "must begin with https"},
	} {
		t.Run(name, func(t *testing.T) {
			o := withAccount(t)
			o.server.Register(c.hooks...)
			if c.scope != "" {
				o.server.Revoke(c.scope)
			}
			if said := o.register(1, c.args...); !strings.Contains(said, c.says) {
				t.Errorf("said %s, want %s", said, c.says)
			}
			if o.calls("register_webhook") != 0 || o.sealed() != 0 {
				t.Error("something was changed")
			}
			if strings.Contains(strings.Join(c.args, ""), "--url") && len(o.server.Calls()) != 0 {
				t.Errorf("LiveChat was asked about a wrong URL: %v", o.server.Calls())
			}
		})
	}
}

// TestLiveChatRegisterForManyOrganisations: once the account's organisation is known, the URL without an identifier works,
// also behind a proxy whose paths look like ours.
func TestLiveChatRegisterForManyOrganisations(t *testing.T) {
	o := withAccount(t)
	o.run(0, "account", "add", ofTenant, ofChat, "--organization-id=0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11")
	said := o.register(0, "--url=https://livepipe.example.com/livechat/webhooks/livechat")
	if strings.Contains(said, "none of livepipe's paths") {
		t.Errorf("said %s", said)
	}
	hook := o.server.Webhooks()[0]
	p := start(t, o.env, "serve")
	body := `{"webhook_id":%q,"secret_key":%q,"action":"chat_deactivated","organization_id":"0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11","payload":{"chat_id":"A","thread_id":"B"}}`
	if status, answer := post(t, p.URL+"/webhooks/livechat", fmt.Sprintf(body, hook.ID, hook.Secret)); status != http.StatusOK {
		t.Errorf("LiveChat's post: %d %s", status, answer)
	}
}

// TestLiveChatUnregister: webhooks go by URL or by id, and what LiveChat still sends is let in for a while.
func TestLiveChatUnregister(t *testing.T) {
	o := withAccount(t)
	o.server.Register(standin.Webhook{ID: "x1", OwnerClientID: appID, Action: "incoming_chat", URL: "https://elsewhere.example.com/\x1b[2J", Type: "license"})
	o.register(0)
	list := o.run(0, "livechat", "list")
	if strings.Count(list, hookURL) != chatActions || !strings.Contains(list, "x1") || strings.Contains(list, "\x1b") {
		t.Errorf("list:\n%s", list)
	}
	hooks := o.server.Webhooks()
	if said := o.run(0, "livechat", "unregister", "--id="+hooks[1].ID, "--dry-run"); !strings.Contains(said, "would remove") || len(o.server.Webhooks()) != chatActions+1 {
		t.Errorf("a dry run is not dry: %s", said)
	}
	o.run(0, "livechat", "unregister", "--id="+hooks[1].ID)
	o.run(1, "livechat", "unregister", "--id="+hooks[1].ID)
	o.run(1, "livechat", "unregister")
	o.server.Break("unregister_webhook", standin.Fault{}, standin.Fault{Status: 403, Type: "authorization"})
	if said := o.run(1, "livechat", "unregister", "--url="+hookURL); !strings.Contains(said, "1 of 20 are removed") {
		t.Errorf("half way: %s", said)
	}
	o.run(0, "livechat", "unregister", "--url="+hookURL)
	if left := o.server.Webhooks(); len(left) != 1 || left[0].ID != "x1" {
		t.Errorf("left %+v", left)
	}
	p := start(t, o.env, "serve")
	body := fmt.Sprintf(`{"webhook_id":%q,"secret_key":%q,"action":"chat_deactivated","organization_id":"o","payload":{"chat_id":"A","thread_id":"B"}}`, hooks[1].ID, hooks[1].Secret)
	if status, answer := post(t, p.URL+"/webhooks/livechat/"+identifier, body); status != http.StatusOK {
		t.Errorf("a late post: %d %s", status, answer)
	}
	if said := o.register(0); strings.Contains(said, "before") || len(o.server.Webhooks()) != chatActions+1 {
		t.Errorf("registered again:\n%s", said)
	}
}

var morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// apiChat makes a chat of some threads, an hour apart, each with some messages, a minute apart.
func apiChat(id string, threads, perThread int) standin.Chat {
	c := standin.Chat{ID: id, Users: []map[string]any{
		{"id": "7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9c10", "type": "customer", "name": "Ana"},
		{"id": "smith@example.com", "type": "agent", "name": "Smith"},
	}}
	for i := range threads {
		at := morning.Add(time.Duration(i) * time.Hour)
		t := standin.Thread{ID: fmt.Sprintf("%sT%d", id, i), CreatedAt: at}
		for m := range perThread {
			author := c.Users[m%2]["id"]
			t.Events = append(t.Events, map[string]any{
				"id": fmt.Sprintf("%s_%d", t.ID, m+1), "type": "message", "text": fmt.Sprintf("words %d.%d", i, m), "author_id": author,
				"visibility": "all", "created_at": at.Add(time.Duration(m) * time.Minute).Format("2006-01-02T15:04:05.000000Z07:00"),
			})
		}
		c.Threads = append(c.Threads, t)
	}
	return c
}

// stored waits until a chat has a number of messages and gives their ids in order.
func stored(t *testing.T, p *process, chatID string, n int) []string {
	t.Helper()
	var answer string
	eventually(t, fmt.Sprintf("chat %s has %d messages", chatID, n), func() bool {
		_, answer = post(t, p.URL+"/livechat/"+identifier+"?action=fetch_messages&limit=100&chat_id="+chatID, "{}")
		return strings.Contains(answer, fmt.Sprintf(`"total":%d,`, n))
	})
	var ids []string
	for _, found := range regexp.MustCompile(`"id":"([A-Z0-9]+T\d+_\d+)"`).FindAllStringSubmatch(answer, -1) {
		ids = append(ids, found[1])
	}
	return ids
}

func messageIDs(c standin.Chat) (all []string) {
	for _, t := range c.Threads {
		for _, e := range t.Events {
			all = append(all, e["id"].(string))
		}
	}
	return all
}

// TestLiveChatBackfill: what the webhooks missed comes into history, once and in order.
func TestLiveChatBackfill(t *testing.T) {
	o := openOffice(t)
	a, b := apiChat("A", 30, 3), apiChat("B", 2, 2)
	b.Threads[1].Active = true
	o.server.Add(a, b, apiChat("OLD", 1, 1))
	p := start(t, o.env, "serve")
	webhook := `{"webhook_id":"w","secret_key":"s","action":"incoming_event","organization_id":"o","payload":{"chat_id":"A","thread_id":"AT1","event":
		{"id":"AT1_2","type":"message","text":"words 1.1","author_id":"smith@example.com","visibility":"all","created_at":"2026-03-02T10:01:00.000000Z"}}}`
	if status, answer := post(t, p.URL+"/webhooks/livechat/"+identifier, webhook); status != http.StatusOK {
		t.Fatalf("webhook: %d %s", status, answer)
	}
	stored(t, p, "A", 1)

	backfill := []string{"livechat", "backfill", ofTenant, ofChat}
	one := append(slices.Clone(backfill), "--chat=A")
	if said := o.run(0, append(one, "--dry-run")...); !strings.Contains(said, "1 chats, 30 threads, 90 messages: 89 missing, 1 already there; 30 other events missing") {
		t.Errorf("dry run: %s", said)
	}
	if said := o.run(0, one...); !strings.Contains(said, "90 messages: 89 published, 1 already there; 30 other events published") {
		t.Errorf("backfill: %s", said)
	}
	if got := stored(t, p, "A", 90); !slices.Equal(got, messageIDs(a)) {
		t.Errorf("history has %v, want %v", got, messageIDs(a))
	}
	if said := o.run(0, one...); !strings.Contains(said, "90 messages: 0 published, 90 already there; 0 other events published") {
		t.Errorf("a second time: %s", said)
	}

	// Everything since a moment, from another region, with a pause that LiveChat asks for in the middle.
	o.server.Move("fra")
	o.server.Break("list_archives", standin.Fault{}, standin.Fault{Status: 429, Type: "too_many_requests"})
	since := append(slices.Clone(backfill), "--since="+morning.Add(30*time.Minute).Format(time.RFC3339))
	said := o.run(0, since...)
	if !strings.Contains(said, "2 chats, 30 threads, 89 messages: 2 published, 87 already there; 1 other events published") || !strings.Contains(said, "again in") {
		t.Errorf("since: %s", said)
	}
	if got := stored(t, p, "B", 2); !slices.Equal(got, messageIDs(b)[2:]) {
		t.Errorf("history of B has %v, want %v", got, messageIDs(b)[2:])
	}
	if strings.Contains(p.printed(), "words") {
		t.Error("the log holds what somebody wrote")
	}
}

// TestLiveChatBackfillWithoutAProcess: what is published while nothing runs waits on the bus, in its order.
func TestLiveChatBackfillWithoutAProcess(t *testing.T) {
	o := openOffice(t)
	a := apiChat("A", 2, 40)
	o.server.Add(a)
	o.run(0, "livechat", "backfill", ofTenant, ofChat, "--chat=A")
	p := start(t, o.env, "serve")
	of := messages.Origin{Channel: "livechat", Chat: messages.Chat{Tenant: messages.Tenant{Org: "org123", LiveChat: "lc-789"}, ChatID: "A"}}
	var want []string
	for _, id := range messageIDs(a) {
		want = append(want, messages.EventID(of, messages.TypeMessageReceived, "A", id))
	}
	var got []string
	eventually(t, "every message is dispatched", func() bool {
		got = nil
		for _, line := range regexp.MustCompile(`msg=event event_id=(\S+) event_type=livechat\.message\.received\.v1`).FindAllStringSubmatch(p.printed(), -1) {
			got = append(got, line[1])
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("dispatched %v, want %v", got, want)
	}
	stored(t, p, "A", 80)
}

// TestLiveChatBackfillSaysWhatItCannotRead, and reads the rest.
func TestLiveChatBackfillSaysWhatItCannotRead(t *testing.T) {
	o := openOffice(t)
	a := apiChat("A", 2, 1)
	a.Threads[0].Closed = "chat in another group"
	o.server.Add(a)
	if said := o.run(1, "livechat", "backfill", ofTenant, ofChat, "--chat=A"); !strings.Contains(said, "1 published") || !strings.Contains(said, "1 threads are closed to the token's owner") {
		t.Errorf("said %s", said)
	}
	for name, args := range map[string][]string{
		"no chat of this id": {"--chat=NOPE"}, "neither": {}, "both": {"--chat=A", "--since=1h"}, "no time": {"--since=yesterday"},
	} {
		if said := o.run(1, append([]string{"livechat", "backfill", ofTenant, ofChat}, args...)...); strings.Count(said, "livepipe:") != 1 {
			t.Errorf("%s: %s", name, said)
		}
	}
	o.run(0, "account", "add", ofTenant, ofChat)
	if said := o.run(1, "livechat", "backfill", "--org=typo", ofChat, "--chat=A"); !strings.Contains(said, `no account of org "typo"`) {
		t.Errorf("said %s", said)
	}

	o.run(0, "account", "add", ofTenant, ofChat, "--retention-days=30")
	o.server.Add(apiChat("C", 1, 3))
	want := "3 messages: 0 published, 0 already there; 0 other events published; 3 messages older than the account keeps"
	if said := o.run(0, "livechat", "backfill", ofTenant, ofChat, "--chat=C"); !strings.Contains(said, want) {
		t.Errorf("what retention would delete at once: %s", said)
	}
}
