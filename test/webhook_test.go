package test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/messages"
)

// webhookDestination: a message that a rule picks reaches the organisation's own system, signed, as the event that
// ingress took, and again with the same id when the first try failed.
func webhookDestination(t *testing.T, s stack) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	type call struct {
		id   string
		body []byte
		err  error
	}
	calls := make(chan call, 10)
	var failedOnce atomic.Bool
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Header.Get("webhook-id"), body, verifier.Verify(body, r.Header)}
		if failedOnce.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer crm.Close()
	rules := writeFile(t, "routes.yaml", "destinations:\n  crm: {type: webhook, url: '"+crm.URL+"/hook', secret_env: CRM_SECRET}\n"+
		"rules:\n  - {name: orders, when: 'message.text contains \"order\"', to: [crm]}\n")
	at := s.open(t, []string{"LIVEPIPE_ROUTES=" + rules, "CRM_SECRET=" + secret}, "routing", "dispatch")
	post(t, at.ingress.URL+"/livechat/"+identifier, spec(t, "receive-message.request"))

	failed, again := <-calls, <-calls
	for _, c := range []call{failed, again} {
		if c.err != nil {
			t.Errorf("the signature does not verify: %v", c.err)
		}
		env, err := messages.ParseEnvelope(c.body)
		if err != nil {
			t.Fatal(err)
		}
		e, err := messages.Open[messages.MessageReceived](env)
		if err != nil || e.Message.ID != "msg_002" || !strings.Contains(*e.Message.Text, "#12345") {
			t.Errorf("event %+v, %v", e, err)
		}
	}
	if failed.id == "" || failed.id != again.id {
		t.Errorf("webhook-id %q, then %q: a receiver cannot tell the repeat", failed.id, again.id)
	}
}
