package ingress_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// present makes the request of an owl with one credential.
func present(kind store.CredentialKind, secret string) (body string, headers []string) {
	switch kind {
	case store.BearerToken:
		return says(owlBody{}), withToken(secret)
	case store.LiveChatKey:
		return says(owlBody{Secret: secret, Tower: tower}), nil
	default:
		return says(owlBody{}), signed(secret, "msg_1", says(owlBody{}), time.Now())
	}
}

// ofKind is a secret that has the shape of its kind.
func ofKind(kind store.CredentialKind, name string) string {
	if kind != store.SigningSecret {
		return name
	}
	name = strings.ReplaceAll(name, "-", "/") // base64
	return "whsec_" + name + strings.Repeat("A", 64-len(name))
}

// TestEveryKindOfCredential holds S1: what counts, what does not yet, no longer or for somebody else, for each kind. Each
// refusal is the same answer, after exactly one look at the store, whether there is an account or not.
func TestEveryKindOfCredential(t *testing.T) {
	others := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
	unknown := messages.Tenant{Org: "nobody", LiveChat: "lc"}
	for _, kind := range []store.CredentialKind{store.BearerToken, store.LiveChatKey, store.SigningSecret} {
		synctest.Test(t, func(t *testing.T) {
			w := newOwlWorld(t)
			w.save(store.Account{Tenant: others})
			secret := func(name string) string { return ofKind(kind, name) }
			day := func(rotated, expires time.Duration) func(*store.Credential) {
				return func(c *store.Credential) {
					c.RotatedAt, c.ExpiresAt = time.Now().Add(rotated), time.Now().Add(expires)
				}
			}
			w.credential(tenant, kind, secret("new"))
			w.credential(tenant, kind, secret("rotated"), day(-time.Hour, 23*time.Hour))
			w.credential(tenant, kind, secret("expired"), day(-25*time.Hour, -time.Hour))
			w.credential(tenant, kind, secret("expired"), func(c *store.Credential) { c.ExpiresAt = time.Now() })
			w.credential(tenant, kind, secret("twice"), day(-time.Hour, time.Hour))
			w.credential(tenant, kind, secret("twice"))
			w.credential(others, kind, secret("theirs"))
			tests := []struct {
				name, secret string
				of           messages.Tenant
				want         string
			}{
				{"new", "new", tenant, "200"},
				{"replaced, within its overlap", "rotated", tenant, "200"},
				{"replaced, and valid under another name", "twice", tenant, "200"},
				{"replaced, after it", "expired", tenant, "401 unauthorized"},
				{"wrong", "wrong", tenant, "401 unauthorized"},
				{"of another account", "theirs", tenant, "401 unauthorized"},
				{"ours, for another account", "new", others, "401 unauthorized"},
				{"unknown account", "new", unknown, "401 unauthorized"},
			}
			missing := w.post(owlPath, says(owlBody{}))
			wants(t, "missing", missing, "401 unauthorized")
			for _, warm := range []bool{false, true} { // the accounts are cached or not
				body, headers := present(kind, secret("new"))
				wants(t, "before", w.post(owlPath, body, headers...), "200")
				for _, test := range tests {
					if !warm {
						time.Sleep(time.Minute)
					}
					w.store.asked()
					body, headers := present(kind, secret(test.secret))
					got := w.post(owlPathOf(test.of), body, headers...)
					wants(t, string(kind)+" "+test.name, got, test.want)
					asked := w.store.asked()
					if test.want == "200" {
						if warm && asked != 0 {
							t.Errorf("%s %s: %d look-ups", kind, test.name, asked)
						}
						continue
					}
					if diff := cmp.Diff(missing, got, cmp.AllowUnexported(answer{})); diff != "" || asked != 1 {
						t.Errorf("%s %s: %d look-ups (-missing +got):\n%s", kind, test.name, asked, diff)
					}
				}
			}
			if n := w.counter(t, "livepipe_ingress_rotated_credentials_used_total", string(kind)); n != 2 {
				t.Errorf("%s: the replaced one was used twice, counted %v", kind, n)
			}
		})
	}
}

// TestTheFirstCredentialDecides holds that a request is not tried with one credential after the other.
func TestTheFirstCredentialDecides(t *testing.T) {
	w := newOwlWorld(t)
	withSecret := says(owlBody{Secret: "secret", Tower: tower})
	good := signed(signingSecret, "msg_1", withSecret, time.Now())
	wants(t, "secret", w.post(owlPath, withSecret), "200")
	wants(t, "wrong signature, good secret", w.post(owlPath, withSecret, "Webhook-Signature", "v1,AAAA"), "401 unauthorized")
	wants(t, "wrong token, good secret", w.post(owlPath, withSecret, withToken("wrong")...), "401 unauthorized")
	wants(t, "empty token, good secret", w.post(owlPath, withSecret, withToken("")...), "401 unauthorized")
	wants(t, "wrong token, good signature", w.post(owlPath, withSecret, append(good, withToken("wrong")...)...), "401 unauthorized")
	wants(t, "another scheme, good secret", w.post(owlPath, withSecret, "Authorization", "Basic dTpw"), "200")
	wants(t, "a kind for another", w.post(owlPath, says(owlBody{Secret: "token", Tower: tower})), "401 unauthorized")
	wants(t, "a kind for another", w.post(owlPath, says(owlBody{}), withToken("secret")...), "401 unauthorized")
	wants(t, "undecodable", w.post(owlPath, withSecret[1:]), "401 unauthorized")
	wants(t, "an upload has no body to read it from", w.post(owlPath+"?action=lift&chat_id=chat_abc123", withSecret), "401 unauthorized")
}

// TestSecretsOfAnotherKey holds that a credential that cannot be opened is told of once, by its id, and stops nobody else.
func TestSecretsOfAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		ours := w.secrets
		w.secrets = newSecrets(t)
		foreign := w.credential(tenant, store.LiveChatKey, "foreign")
		w.secrets = ours
		odd := w.credential(tenant, store.SigningSecret, "not base64!")
		const short = "whsec_"
		empty := w.credential(tenant, store.SigningSecret, short)
		for range 3 {
			body := says(owlBody{})
			wants(t, "an empty key", w.post(owlPath, body, signed(short, "msg_1", body, time.Now())...), "401 unauthorized")
			wants(t, "it", w.post(owlPath, says(owlBody{Secret: "foreign", Tower: tower})), "401 unauthorized")
			wants(t, "its neighbours", w.post(owlPath, says(owlBody{Secret: "secret", Tower: tower})), "200")
			time.Sleep(time.Minute)
		}
		for _, id := range []string{foreign, odd, empty} {
			if n := strings.Count(w.logs.String(), id); n != 1 {
				t.Errorf("%s is in the log %d times:\n%s", id, n, w.logs)
			}
		}
		if log := w.logs.String(); !strings.Contains(log, secrets.ErrOtherKey.Error()) || strings.Contains(log, "not base64!") {
			t.Errorf("log:\n%s", log)
		}
	})
}
