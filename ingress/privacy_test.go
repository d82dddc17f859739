package ingress_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// TestNothingPrivateIsTold holds S14: it puts a word wherever a caller can put one and looks for it in every log line, refusal and
// metric.
func TestNothingPrivateIsTold(t *testing.T) {
	const secret = "SeCrEt"
	synctest.Test(t, func(t *testing.T) {
		for _, mode := range []string{"open", "accounts"} {
			w := newChatWorld(t, func(w *world) {
				w.config.Access = accessOf(mode)
				w.deps.Channels = append(w.deps.Channels, owl())
			})
			w.account(tenant, secret)
			w.credential(tenant, store.LiveChatKey, secret)
			w.credential(tenant, store.SigningSecret, signingSecret)
			told := says(owlBody{Secret: secret, Tower: secret, Hook: secret})
			other := says(owlBody{Note: secret})
			odd := secret + " <a@example.com>"
			body := strings.ReplaceAll(messageBody(secret), `"t"`, `"`+secret+`"`)
			token := []string{"Authorization", "Bearer " + secret}
			calls := []answer{
				w.post(livechatPath, body),
				w.post(livechatPath, body+secret, token...),
				w.post(livechatPath, `{"`+secret+`":1,"`+secret+`":2}`, token...),
				w.post(livechatPath+"?action="+secret, body, token...),
				w.post(livechatPath+"?"+secret+"="+secret+"%zz", body, token...),
				w.post(livechatPath+"?action=fetch_messages&chat_id="+secret+"&limit="+secret, "", token...),
				w.post(livechatPath+"?action=fetch_messages&chat_id="+secret, "", token...),
				w.post(fetchPath+"&cursor="+secret, "", token...),
				w.post("/"+secret, body), w.post("/livechat/"+secret, body, token...), w.get("/media/" + secret + ".png"),
				w.upload(form(part(`name="file"; filename="`+secret+`"`, "<html>"+secret)), token...),
				w.serve(request(secret, livechatPath, body, token...)),
				w.post(owlPath, told), w.post(owlsPath, told), w.post(owlsPath, says(owlBody{Secret: secret})),
				w.post(owlPath, told, "Authorization", "Bearer "+secret+secret),
				w.post(owlPath, told, signed(signingSecret, odd, told, time.Now())...),
				w.post(owlPath, other, signed(signingSecret, odd, other, time.Now())...),
				w.post(owlPath, told, "Webhook-Id", secret, "Webhook-Timestamp", secret, "Webhook-Signature", "v1,"+secret),
				w.serve(request("OPTIONS", "/owls/"+secret+"~"+secret, "", "Origin", "https://"+secret+".example")),
			}
			w.store.down(messages.Unavailable(errDown))
			calls = append(calls, w.post(owlPath, other, "Authorization", "Bearer "+secret+secret))
			w.store.down(nil)
			w.bus.publish = func(string, []*message.Message) error { return errors.New("down") }
			calls = append(calls, w.post(livechatPath, body, token...))
			for i, call := range calls {
				if call.status != 200 && strings.Contains(call.body, secret) {
					t.Errorf("answer %d: %d %s", i, call.status, call.body)
				}
			}
			for _, private := range []string{secret, identifier, "org123", "user456"} {
				if strings.Contains(w.logs.String(), private) {
					t.Errorf("%s is in the log:\n%s", private, w.logs)
				}
			}
			for _, label := range labels(t, w) {
				if strings.Contains(label, secret) {
					t.Errorf("metric label %q", label)
				}
			}
		}
	})
}

func labels(t *testing.T, w *world) []string {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				values = append(values, label.GetValue())
			}
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	wants(t, "message", w.post(livechatPath, messageBody("m")), "200")
	wants(t, "ignored", w.post(webhookPath, `{"event_type":"x"}`), "200")
	wants(t, "bad", w.post(fetchPath+"&limit=0", ""), "400 invalid_query limit")
	wants(t, "unknown", w.post("/x", ""), "404 not_found")
	wants(t, "file", w.get("/media/x"), "404 media_not_found")
	want := `
# HELP livepipe_ingress_ignored_events_total Requests that have no effect, by why and by the provider's word where it is a known one: answered and published nowhere.
# TYPE livepipe_ingress_ignored_events_total counter
livepipe_ingress_ignored_events_total{action="other",kind="unknown_event",route="/webhooks/livechat/:identifier"} 1
# HELP livepipe_ingress_requests_total Requests answered, by route, action and status code.
# TYPE livepipe_ingress_requests_total counter
livepipe_ingress_requests_total{action="fetch_messages",code="400",route="/livechat/:identifier"} 1
livepipe_ingress_requests_total{action="media",code="404",route="/media/:file"} 1
livepipe_ingress_requests_total{action="receive",code="200",route="/livechat/:identifier"} 1
livepipe_ingress_requests_total{action="receive",code="200",route="/webhooks/livechat/:identifier"} 1
livepipe_ingress_requests_total{action="unknown",code="404",route="unknown"} 1
`
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want), "livepipe_ingress_ignored_events_total", "livepipe_ingress_requests_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(w.registry)
	if err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// counter reads a counter by its only label value; 0 when there is none.
func (w *world) counter(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
