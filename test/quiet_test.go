package test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestNothingLeaks holds S14: whatever goes through, good or bad, no log line, metric, error or dead-letter listing
// shows a token, an e-mail address or what a person wrote.
func TestNothingLeaks(t *testing.T) {
	const text, email, token = "my-card-is-4111-1111", "victim@example.com", "lp_sesame-open-please"
	data := t.TempDir()
	rules := writeFile(t, "routes.yaml", `
destinations:
  dead: {type: webhook, url: "http://127.0.0.1:1/secret-path?key=hunter2", secret_env: TEST_SECRET}
rules:
  - {name: breaks, when: 'message.id == "msg_breaks" and int(message.text) > 0', to: [dead]}
  - {name: all, when: 'true', to: [dead, log]}
`)
	env := []string{
		"LIVEPIPE_DATA=" + data, "LIVEPIPE_ROUTES=" + rules, "LIVEPIPE_LOG_LEVEL=debug",
		"TEST_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	}
	p := start(t, env, "serve")
	bearer := []string{"Authorization", "Bearer " + token}
	var answers []string
	for _, body := range []string{
		`{"event":"incoming_message","chat_id":"c","message":{"id":"msg_ok","type":"text","text":"` + text + `","author":{"id":"` + email + `","type":"visitor"},"created_at":"2024-01-15T10:32:00Z"}}`,
		`{"event":"incoming_message","chat_id":"c","message":{"id":"msg_breaks","type":"text","text":"` + text + `","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:32:00Z"}}`,
		`{"event":"incoming_message","chat_id":"c","message":{"id":"msg_bad","type":"text","text":"` + text + `","author":"` + email + `"}}`,
		`{"event":"` + text + `","chat_id":"c","email":"` + email + `"}`,
		`{"event":"incoming_message","chat_id":"` + text,
		`"` + text + `"`,
	} {
		_, answer := post(t, p.URL+"/livechat/"+identifier, body, bearer...)
		answers = append(answers, answer)
	}
	eventually(t, "the dead letter of the rule that breaks is listed", func() bool {
		out, _, code := command(t, env, "dlq", "list")
		answers = append(answers, out)
		return code == 0 && strings.Contains(out, "routing")
	})
	_, _, metrics := get(t, p.Admin+"/metrics")
	answers = append(answers, metrics, p.printed())
	for _, secret := range []string{text, email, token, "hunter2", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		for _, shown := range answers {
			if i := strings.Index(shown, secret); i >= 0 {
				t.Errorf("%q is shown: …%s…", secret, shown[max(0, i-200):min(len(shown), i+100)])
			}
		}
	}
}

// TestMetrics checks that the metrics an operator needs are there after one message, and that they follow the rules of
// the Prometheus project.
func TestMetrics(t *testing.T) {
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "serve")
	post(t, p.URL+"/webhooks/livechat/"+identifier, spec(t, "receive-webhook.request"))
	var page string
	eventually(t, "the message is counted by its workers", func() bool {
		_, _, page = get(t, p.Admin+"/metrics")
		return strings.Contains(page, `livepipe_worker_handled_total{worker="history"} 1`) &&
			strings.Contains(page, `livepipe_worker_handled_total{worker="dispatch"} 1`)
	})
	for _, name := range []string{
		"livepipe_ingress_requests_total", "livepipe_ingress_publish_duration_seconds", "livepipe_worker_handled_total",
		"livepipe_worker_failed_total", "livepipe_worker_retried_total", "livepipe_worker_dead_lettered_total",
		"livepipe_worker_in_flight", "livepipe_worker_lag_seconds", "livepipe_worker_backlog_events",
	} {
		if !strings.Contains(page, "# TYPE "+name+" ") {
			t.Errorf("%s is missing", name)
		}
	}
	problems, err := promlint.New(bytes.NewReader([]byte(page))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if strings.HasPrefix(problem.Metric, "livepipe_") {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
}

// TestAdmin holds the admin address: health, readiness, profiles, and S18's rule about names that point here.
func TestAdmin(t *testing.T) {
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}) // without a command it is serve
	eventually(t, "it is ready", func() bool { code, _, _ := get(t, p.Admin+"/readyz"); return code == http.StatusOK })
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/"} {
		if code, _, body := get(t, p.Admin+path); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
		req, err := http.NewRequest(http.MethodGet, p.Admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example.com"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s under a foreign name: %d, want 403", path, resp.StatusCode)
		}
		if code, _, _ := get(t, p.URL+path); code != http.StatusNotFound {
			t.Errorf("%s on the callers' address: %d, want 404", path, code)
		}
	}
}
