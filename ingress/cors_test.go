package ingress_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const app = "https://app.example.com"

// TestPreflight holds S12: the spec's headers, and no others.
func TestPreflight(t *testing.T) {
	allowed := func(origin string) http.Header {
		return http.Header{
			"Access-Control-Allow-Origin":  {origin},
			"Access-Control-Allow-Methods": {"POST, OPTIONS"},
			"Access-Control-Allow-Headers": {"Content-Type, Authorization"},
			"Access-Control-Max-Age":       {"86400"},
			"Vary":                         {"Origin"},
		}
	}
	tests := []struct {
		name, origin string
		origins      []string
		status       int
		want         http.Header
	}{
		{"the spec's", app, []string{app}, 200, allowed(app)},
		{"the second of two", "http://localhost:3000", []string{app, "http://localhost:3000"}, 200, allowed("http://localhost:3000")},
		{"any", "https://other.example", []string{"*"}, 200, allowed("*")},
		{"foreign", "https://other.example", []string{app}, 403, nil},
		{"null", "null", []string{app}, 403, nil},
		{"other scheme", "http://app.example.com", []string{app}, 403, nil},
		{"longer", app + ".attacker.example", []string{app}, 403, nil},
	}
	for _, test := range tests {
		for _, target := range []string{livechatPath, webhookPath, fetchPath} {
			for _, mode := range []string{"open", "accounts"} { // a preflight carries no credentials
				w := newWorld(t, func(w *world) { w.config.Origins = test.origins; w.config.Access = accessOf(mode) })
				got := w.serve(request("OPTIONS", target, "", "Origin", test.origin,
					"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "Content-Type"))
				if got.status != test.status {
					t.Errorf("%s: %d %s", test.name, got.status, got.body)
				}
				if test.want == nil {
					wants(t, test.name, got, "403 origin_not_allowed")
					if got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Vary") != "Origin" {
						t.Errorf("%s: %v", test.name, got.header)
					}
					continue
				}
				if diff := cmp.Diff(test.want, got.header); diff != "" || got.body != "" {
					t.Errorf("%s, %s: body %q (-want +got):\n%s", test.name, mode, got.body, diff)
				}
			}
		}
	}
}

// TestRealResponsesCarryCORS holds S12: a page can read an answer, a refusal too, and that caches tell origins apart.
func TestRealResponsesCarryCORS(t *testing.T) {
	w := newWorld(t)
	for name, got := range map[string]answer{
		"message":   w.post(livechatPath, messageBody("m"), "Origin", app),
		"refused":   w.post(livechatPath, "{", "Origin", app),
		"fetch":     w.post(fetchPath, "", "Origin", app),
		"webhook":   w.post(webhookPath, spec(t, "webhook.request"), "Origin", app),
		"method":    w.serve(request("GET", livechatPath, "", "Origin", app)),
		"preflight": w.serve(request("OPTIONS", livechatPath, "", "Origin", app)),
	} {
		if got.header.Get("Access-Control-Allow-Origin") != app || got.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", name, got.header)
		}
		if got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s allows credentials", name)
		}
	}
	if got := w.post(livechatPath, messageBody("m")); got.header.Get("Vary") != "Origin" || got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without an origin: %v", got.header)
	}
}
