package ingress_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

var errDown = errors.New("down")

// landedIn is the tenants of the events, in order.
func (w *world) landedIn() []string {
	var all []string
	for _, env := range w.bus.events() {
		e, err := messages.Open[messages.MessageReceived](env)
		if err != nil {
			panic(err)
		}
		all = append(all, e.LiveChat+e.User)
	}
	return all
}

// TestOnePathForManyOrganizations holds what finds the account of a body without an identifier: organization,
// registration, secret, in open mode too, because nobody else can say whose the body is.
func TestOnePathForManyOrganizations(t *testing.T) {
	for _, mode := range []string{"accounts", "open"} {
		w := newOwlWorld(t, func(w *world) { w.config.Access = accessOf(mode) })
		hook := func(id string) func(*store.Credential) {
			return func(c *store.Credential) { c.WebhookID = id }
		}
		for name, organization := range map[string]string{"lc-a": "two", "lc-b": "two", "lc-c": ""} {
			of := messages.Tenant{Org: "org123", LiveChat: name}
			w.save(store.Account{Tenant: of, OrganizationID: organization})
			w.credential(of, store.LiveChatKey, "shared", hook("hook-"+name))
			w.credential(of, store.LiveChatKey, "own-"+name)
			w.credential(of, store.LiveChatKey, "ended", hook("hook-ended-"+name), func(c *store.Credential) {
				c.ExpiresAt = time.Now().Add(-time.Second)
			})
			w.credential(of, store.BearerToken, "token-"+name)
			w.credential(of, store.SigningSecret, ofKind(store.SigningSecret, name))
		}
		refused := w.post(owlsPath, "{}")
		wants(t, "nothing", refused, "401 unauthorized")
		tests := []struct {
			name    string
			body    owlBody
			headers []string
			landsIn string // "": 401
		}{
			{"organization and secret", owlBody{Tower: tower, Secret: "secret"}, nil, "lc-789"},
			{"former name", owlBody{Tower: tower, Secret: "secret", Former: true}, nil, "lc-789"},
			{"wrong secret", owlBody{Tower: tower, Secret: "wrong"}, nil, ""},
			{"no secret", owlBody{Tower: tower}, nil, ""},
			{"another organization's secret", owlBody{Tower: tower, Secret: "own-lc-a"}, nil, ""},
			{"no organization", owlBody{Secret: "secret"}, nil, ""},
			{"unknown organization", owlBody{Tower: "three", Secret: "secret"}, nil, ""},
			{"an organization that nobody could have", owlBody{Tower: "a\x00b", Secret: "secret"}, nil, ""},
			{"an organization of 1 KB", owlBody{Tower: strings.Repeat("x", 1024), Secret: "secret"}, nil, ""},
			{"an account that knows none yet", owlBody{Secret: "own-lc-c"}, nil, ""},
			{"two accounts, told apart by the registration", owlBody{Tower: "two", Secret: "shared", Hook: "hook-lc-a"}, nil, "lc-a"},
			{"two accounts, told apart by the registration", owlBody{Tower: "two", Secret: "shared", Hook: "hook-lc-b"}, nil, "lc-b"},
			{"two accounts, told apart by the secret", owlBody{Tower: "two", Secret: "own-lc-b", Hook: "hook-new"}, nil, "lc-b"},
			{"another's registration, which has ended", owlBody{Tower: "two", Secret: "own-lc-b", Hook: "hook-ended-lc-a"}, nil, "lc-b"},
			{"another's registration", owlBody{Tower: "two", Secret: "own-lc-b", Hook: "hook-lc-a"}, nil, ""},
			{"token", owlBody{Tower: "two"}, withToken("token-lc-b"), "lc-b"},
			{"token of another organization", owlBody{Tower: "two"}, withToken("token"), ""},
		}
		for _, test := range tests {
			earlier := len(w.landedIn())
			w.store.asked()
			got := w.post(owlsPath, says(test.body), test.headers...)
			landed := strings.Join(w.landedIn()[earlier:], " ")
			if landed != test.landsIn || (got.status == 200) != (test.landsIn != "") {
				t.Errorf("%s, %s: %d, landed in %q, want %q", mode, test.name, got.status, landed, test.landsIn)
			}
			if got.status == 200 {
				continue
			}
			if asked := w.store.asked(); asked != 1 {
				t.Errorf("%s, %s: %d look-ups", mode, test.name, asked)
			}
			if diff := cmp.Diff(refused, got, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("%s, %s: %s", mode, test.name, diff)
			}
		}
		body := says(owlBody{Tower: "two"})
		wants(t, "signature", w.post(owlsPath, body, signed(ofKind(store.SigningSecret, "lc-a"), "m", body, time.Now())...), "200")
		wants(t, "preflight", w.serve(request("OPTIONS", owlsPath, "", "Origin", app)), "200")
		wants(t, "method", w.serve(request("PUT", owlsPath, says(tests[0].body))), "405 method_not_allowed")
		wants(t, "nothing below it", w.post(owlsPath+"/", says(tests[0].body)), "400 invalid_field identifier")
	}
}

// TestAnotherOrganizationsBody holds that an identifier takes bodies of its own organization only, whoever brings them.
func TestAnotherOrganizationsBody(t *testing.T) {
	w := newOwlWorld(t)
	for name, organization := range map[string]string{"200": tower, "401 unauthorized": "another"} {
		body := says(owlBody{Tower: organization})
		wants(t, "secret", w.post(owlPath, says(owlBody{Tower: organization, Secret: "secret"})), name)
		wants(t, "token", w.post(owlPath, body, withToken("token")...), name)
		wants(t, "signature", w.post(owlPath, body, signed(signingSecret, "msg_"+organization, body, time.Now())...), name)
	}
	wants(t, "a body that does not say", w.post(owlPath, says(owlBody{Secret: "secret"})), "200")
	wants(t, "a name that was replaced", w.post(owlPath, says(owlBody{Tower: "1234567", Secret: "secret", Former: true})), "200")
	w.save(store.Account{Tenant: tenant, OrganizationID: "another"})
	w.credential(tenant, store.LiveChatKey, "secret")
	wants(t, "once the account is set to it", w.post(owlPath, says(owlBody{Tower: "another", Secret: "secret"})), "200")
}

// TestAnAccountLearnsItsOrganization holds that the first body whose secret matched binds the account, and nothing else does.
func TestAnAccountLearnsItsOrganization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		w.save(store.Account{Tenant: tenant})
		w.credential(tenant, store.LiveChatKey, "secret")
		w.credential(tenant, store.BearerToken, "token")
		learned := func(name, want string) {
			t.Helper()
			if got := w.store.accounts[tenant].OrganizationID; got != want {
				t.Errorf("%s: knows %q, want %q", name, got, want)
			}
		}
		wants(t, "token", w.post(owlPath, says(owlBody{Tower: "of a token"}), withToken("token")...), "200")
		wants(t, "wrong secret", w.post(owlPath, says(owlBody{Tower: "of a guess", Secret: "guess"})), "401 unauthorized")
		wants(t, "nothing to learn", w.post(owlPath, says(owlBody{Secret: "secret"})), "200")
		wants(t, "a name that was replaced", w.post(owlPath, says(owlBody{Tower: "1234567", Secret: "secret", Former: true})), "200")
		wants(t, "nothing that can be one", w.post(owlPath, says(owlBody{Tower: "a\x00b", Secret: "secret"})), "200")
		learned("nothing has been told by its secret yet", "")
		if w.store.learned != 0 {
			t.Errorf("tried %d times", w.store.learned)
		}

		w.store.down(messages.Unavailable(errDown))
		start := time.Now()
		for range 100 {
			wants(t, "store is down", w.post(owlPath, says(owlBody{Tower: "first", Secret: "secret"})), "200")
		}
		if w.store.learned != 1 {
			t.Errorf("tried %d times in %s", w.store.learned, time.Since(start))
		}
		w.store.down(nil)
		time.Sleep(2 * time.Second)

		wants(t, "first", w.post(owlPath, says(owlBody{Tower: "first", Secret: "secret"})), "200")
		learned("first", "first")
		wants(t, "second", w.post(owlPath, says(owlBody{Tower: "second", Secret: "secret"})), "401 unauthorized")
		wants(t, "first again", w.post(owlPath, says(owlBody{Tower: "first", Secret: "secret"})), "200")
		wants(t, "by its organization now", w.post(owlsPath, says(owlBody{Tower: "first", Secret: "secret"})), "200")
		learned("for good", "first")
		if w.store.learned != 2 {
			t.Errorf("wrote %d times", w.store.learned)
		}

		w.save(store.Account{Tenant: tenant})
		w.credential(tenant, store.LiveChatKey, "other")
		wants(t, "cached without one", w.post(owlPath, says(owlBody{Secret: "other"})), "200")
		a := w.store.accounts[tenant]
		a.OrganizationID = "of another process"
		w.save(a)
		wants(t, "another process was first", w.post(owlPath, says(owlBody{Tower: "late", Secret: "other"})), "401 unauthorized")
	})
}
