package ingress_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const signingSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the example of Standard Webhooks

// signed is the headers of a body signed at a time.
func signed(secret, id, body string, at time.Time) []string {
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		panic(err)
	}
	signature, err := signer.Sign(id, at, []byte(body))
	if err != nil {
		panic(err)
	}
	return []string{"Webhook-Id", id, "Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10), "Webhook-Signature", signature}
}

// TestSignedRequests holds S1 and S3 for senders that sign: their time counts for five minutes both ways.
func TestSignedRequests(t *testing.T) {
	body := says(owlBody{})
	other := "whsec_" + strings.Repeat("b", 32)
	tests := []struct {
		name, secret, body string
		age                time.Duration
		change             func(headers []string)
		want               string
	}{
		{"as it should be", signingSecret, body, 0, nil, "200"},
		{"five minutes old", signingSecret, body, 5 * time.Minute, nil, "200"},
		{"older", signingSecret, body, 5*time.Minute + time.Second, nil, "401 unauthorized"},
		{"five minutes ahead", signingSecret, body, -5 * time.Minute, nil, "200"},
		{"further ahead", signingSecret, body, -5*time.Minute - time.Second, nil, "401 unauthorized"},
		{"other secret", other, body, 0, nil, "401 unauthorized"},
		{"other body", signingSecret, says(owlBody{Note: "other"}), 0, nil, "401 unauthorized"},
		{"other id", signingSecret, body, 0, func(h []string) { h[1] += "x" }, "401 unauthorized"},
		{"other time", signingSecret, body, time.Minute, func(h []string) { h[3] = strconv.FormatInt(time.Now().Unix(), 10) }, "401 unauthorized"},
		{"time that is none", signingSecret, body, 0, func(h []string) { h[3] = "today" }, "401 unauthorized"},
		{"no id", signingSecret, body, 0, func(h []string) { h[1] = "" }, "401 unauthorized"},
		{"no time", signingSecret, body, 0, func(h []string) { h[3] = "" }, "401 unauthorized"},
		{"two signatures, one good", signingSecret, body, 0, func(h []string) { h[5] = "v1,AAAA " + h[5] }, "200"},
		{"a version that is not known", signingSecret, body, 0, func(h []string) { h[5] = "v2" + h[5][2:] }, "401 unauthorized"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newOwlWorld(t)
				headers := signed(test.secret, "msg_1", body, time.Now().Add(-test.age))
				if test.change != nil {
					test.change(headers)
				}
				wants(t, "answer", w.post(owlPath, test.body, headers...), test.want)
			})
		})
	}
}

// TestReplays holds S3: a request that was seen on its way is worth nothing once its time is over, and an id means the
// first body that came under it.
func TestReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		others := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
		w.save(store.Account{Tenant: others})
		w.credential(others, store.SigningSecret, signingSecret)
		first, second := says(owlBody{Note: "first"}), says(owlBody{Note: "second"})
		captured := signed(signingSecret, "msg_1", first, time.Now())
		wants(t, "first", w.post(owlPath, first, captured...), "200")
		wants(t, "retry", w.post(owlPath, first, captured...), "200")
		wants(t, "retry, signed anew", w.post(owlPath, first, signed(signingSecret, "msg_1", first, time.Now().Add(time.Second))...), "200")
		wants(t, "other body", w.post(owlPath, second, signed(signingSecret, "msg_1", second, time.Now())...), "409 webhook_id_reused")
		wants(t, "first again", w.post(owlPath, first, captured...), "200")
		wants(t, "same id of another account", w.post(owlPathOf(others), second, signed(signingSecret, "msg_1", second, time.Now())...), "200")
		if log := w.logs.String(); strings.Count(log, "webhook_id=msg_1") != 1 || strings.Contains(log, "second") {
			t.Errorf("log of the conflict:\n%s", log)
		}
		for _, event := range w.bus.events()[:3] {
			if e, _ := messages.Open[messages.MessageReceived](event); e.Message.ID != "first" {
				t.Errorf("%s was taken", e.Message.ID)
			}
		}
		time.Sleep(5*time.Minute + time.Second)
		wants(t, "replayed after the tolerance", w.post(owlPath, first, captured...), "401 unauthorized")
		time.Sleep(6 * time.Minute)
		wants(t, "the id, long after", w.post(owlPath, second, signed(signingSecret, "msg_1", second, time.Now())...), "200")
	})
}

// TestASignatureIsGoodForItsBodyOnly holds that a signed message, seen on its way, opens nothing else: a signature covers
// neither path nor query.
func TestASignatureIsGoodForItsBodyOnly(t *testing.T) {
	w := newOwlWorld(t)
	body := says(owlBody{})
	headers := signed(signingSecret, "msg_1", body, time.Now())
	wants(t, "message", w.post(owlPath, body, headers...), "200")
	wants(t, "history", w.post(owlPath+"?action=look&chat_id=chat_abc123", body, headers...), "401 unauthorized")
	wants(t, "upload", w.post(owlPath+"?action=lift&chat_id=chat_abc123", body, headers...), "401 unauthorized")
	wants(t, "history with a token", w.post(owlPath+"?action=look&chat_id=chat_abc123", body, withToken("token")...), "200")
}
