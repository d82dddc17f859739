package ingress

import (
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/internal/store"
)

// TestEveryClaimIsComparedAsOften holds S1's "same work": no account, one without credentials, one whose only credential
// has ended, and one with a few cost the same number of comparisons, whether one of them matches or not.
func TestEveryClaimIsComparedAsOften(t *testing.T) {
	d, err := newDecoys()
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256([]byte("key"))
	signer, err := standardwebhooks.NewWebhookRaw(key[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []store.CredentialKind{store.BearerToken, store.LiveChatKey, store.SigningSecret} {
		valid := credential{Credential: store.Credential{Kind: kind}, sum: key, signer: signer}
		ended := valid
		ended.ExpiresAt = time.Now().Add(-time.Second)
		other := valid
		other.Kind = "another kind"
		accounts := map[string][]*account{
			"no account":              nil,
			"no credentials":          {{}},
			"one":                     {{credentials: []credential{valid}}},
			"three":                   {{credentials: []credential{valid, valid, valid}}},
			"one in each of two":      {{credentials: []credential{valid}}, {credentials: []credential{valid}}},
			"one that has ended":      {{credentials: []credential{ended}}},
			"one of another kind":     {{credentials: []credential{other}}},
			"one and one that is not": {{credentials: []credential{ended, valid, other}}},
		}
		for name, among := range accounts {
			for _, missing := range []bool{false, true} {
				for _, right := range []bool{false, true} {
					c := claim{kind: kind, missing: missing, header: http.Header{}}
					if right {
						c.sum = key
					}
					if d.judge(among, &c); c.compared != minCompared {
						t.Errorf("%s, %s, right %v, missing %v: %d comparisons", kind, name, right, missing, c.compared)
					}
				}
			}
		}
	}
}
