package ingress_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/livepipe/livepipe/internal/store"
)

// TestLiveChatsOwnBodies holds that what LiveChat posts by itself, which knows no header of ours, gets in by the
// secret_key in its body, at its own URL and at those with an identifier, and by nothing else.
func TestLiveChatsOwnBodies(t *testing.T) {
	const organization = "0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11"
	n := 0
	body := func(secret, organization string) string {
		n++
		return fmt.Sprintf(`{"webhook_id":"5f0c","secret_key":%q,"action":"incoming_event","organization_id":%q,
			"payload":{"chat_id":"RK2ABCDE01","thread_id":"RK2ABCDE77","event":{"id":"RK2ABCDE77_%d","type":"message",
			"text":"Where is order 12345?","author_id":"7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9c10","visibility":"all",
			"created_at":"2026-03-02T09:15:04.120301Z"}},"additional_data":{}}`, secret, organization, n)
	}
	for _, mode := range []string{"accounts", "open"} {
		w := newWorld(t, func(w *world) { w.config.Access = accessOf(mode) })
		w.save(store.Account{Tenant: tenant, OrganizationID: organization})
		w.credential(tenant, store.LiveChatKey, "s3cr3t")
		for _, path := range []string{"/webhooks/livechat", webhookPath, livechatPath} {
			refused := "401 unauthorized"
			if mode == "open" && path != "/webhooks/livechat" { // an identifier says whose it is
				refused = "200"
			}
			wants(t, path, w.post(path, body("s3cr3t", organization)), "200")
			wants(t, path+", wrong secret", w.post(path, body("S3cr3t", organization)), refused)
			wants(t, path+", no secret", w.post(path, body("", organization)), refused)
			wants(t, path+", another organization", w.post(path, body("s3cr3t", "another")), refused)
		}
		want := 3
		if mode == "open" {
			want += 6
		}
		if got := w.landedIn(); len(got) != want || got[0] != "lc-789" {
			t.Errorf("%s: %d events, want %d: %q", mode, len(got), want, got)
		}
	}
}

// TestIgnoredActionsAreBounded holds S14's labels for what LiveChat tells in vain: its words are counted by name where they
// are known, and as "other" whatever anybody invents, in every shape that a body may have.
func TestIgnoredActionsAreBounded(t *testing.T) {
	w := newWorld(t)
	const v3, v2, lifecycle, ours = `{"webhook_id":"w","action":%q,"payload":{}}`, `{"event_type":%q,"token":"t","license_id":"1"}`,
		`{"applicationID":"a","event":%q}`, `{"event_type":%q,"chat_id":"c"}`
	send := func(shape, word string) {
		t.Helper()
		wants(t, shape+" "+word, w.post(webhookPath, fmt.Sprintf(shape, word)), "200")
	}
	for i := range 1000 {
		for _, shape := range []string{v3, v2, lifecycle, ours} {
			send(shape, fmt.Sprint("invented_", i))
		}
	}
	for _, word := range []string{"incoming_event", "tag_deleted", "chat_started", "application_installed", "other", "v2"} {
		for _, shape := range []string{v3, v2, lifecycle, ours} {
			send(shape, word)
		}
	}
	const want = `
# HELP livepipe_ingress_ignored_events_total Requests that have no effect, by why and by the provider's word where it is a known one: answered and published nowhere.
# TYPE livepipe_ingress_ignored_events_total counter
livepipe_ingress_ignored_events_total{action="application_installed",kind="app_lifecycle",route="/webhooks/livechat/:identifier"} 1
livepipe_ingress_ignored_events_total{action="chat_started",kind="v2",route="/webhooks/livechat/:identifier"} 1
livepipe_ingress_ignored_events_total{action="incoming_event",kind="malformed",route="/webhooks/livechat/:identifier"} 1
livepipe_ingress_ignored_events_total{action="other",kind="app_lifecycle",route="/webhooks/livechat/:identifier"} 1005
livepipe_ingress_ignored_events_total{action="other",kind="unknown_action",route="/webhooks/livechat/:identifier"} 1004
livepipe_ingress_ignored_events_total{action="other",kind="unknown_event",route="/webhooks/livechat/:identifier"} 1006
livepipe_ingress_ignored_events_total{action="other",kind="v2",route="/webhooks/livechat/:identifier"} 1005
livepipe_ingress_ignored_events_total{action="tag_deleted",kind="malformed",route="/webhooks/livechat/:identifier"} 1
`
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want), "livepipe_ingress_ignored_events_total"); err != nil {
		t.Error(err)
	}
}
