package ingress_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	webhookPath  = "/webhooks/livechat/" + identifier
	livechatPath = "/livechat/" + identifier
	deliveryPath = livechatPath + "?action=delivery_status"
	fetchPath    = livechatPath + "?action=fetch_messages&chat_id=chat_abc123"
	uploadPath   = livechatPath + "?action=upload_media&chat_id=chat_abc123"
)

// TestSpecExamples posts the contract's own examples in its order and wants its answers, byte for byte once both are
// compacted.
func TestSpecExamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2024, 1, 15, 10, 32, 0, 123_000_000, time.UTC)))
		w := newWorld(t)
		steps := []struct{ name, target, request, response string }{
			{"webhook", webhookPath, "webhook", "webhook"},
			{"message", livechatPath, "message", "message"},
			{"delivery status", deliveryPath, "delivery", "delivery"},
			{"fetch", fetchPath + "&limit=20", "fetch", "fetch"},
		}
		for _, step := range steps {
			got := w.post(step.target, spec(t, step.request+".request"))
			if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s: %d %v %s", step.name, got.status, got.header, got.body)
			}
			want := compact(t, spec(t, step.response+".response"))
			if diff := cmp.Diff(want, compact(t, got.body)); diff != "" {
				t.Errorf("%s (-spec +got):\n%s", step.name, diff)
			}
		}
	})
}
