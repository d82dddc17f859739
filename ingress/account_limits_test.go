package ingress_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// limit sets the limits of the owl's account.
func (w *world) limit(l store.Limits) {
	a := w.store.accounts[tenant]
	a.Limits = l
	w.save(a)
}

func TestAccountRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		w.limit(store.Limits{RequestsPerSecond: 5})
		neighbour := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
		w.account(neighbour, "t")
		for range 5 {
			wants(t, "within", w.withToken("token"), "200")
		}
		got := w.withToken("token")
		wants(t, "above", got, "429 too_many_requests")
		if got.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
		wants(t, "a neighbour", w.post(owlPathOf(neighbour), says(owlBody{}), withToken("t")...), "200")
		wants(t, "a guess", w.withToken("guess"), "401 unauthorized")
		time.Sleep(200 * time.Millisecond)
		wants(t, "after a fifth of a second", w.withToken("token"), "200")
		time.Sleep(time.Second)
		good := 0
		for range 1000 { // 10 s of 100 requests a second
			if w.withToken("token").status == 200 {
				good++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if good < 49 || good > 56 {
			t.Errorf("%d requests in 10 s, want 50 and a burst of 5", good)
		}
		w.limit(store.Limits{RequestsPerSecond: 0.1})
		time.Sleep(time.Minute)
		wants(t, "fewer now", w.withToken("token"), "200")
		got = w.withToken("token")
		wants(t, "fewer now", got, "429 too_many_requests")
		if got.header.Get("Retry-After") != "10" {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
	})
}

// TestAccountSizes holds S5 for accounts: their limits are below the process's, which nothing lifts.
func TestAccountSizes(t *testing.T) {
	body := func(size int) string {
		return says(owlBody{Note: strings.Repeat("x", size-len(says(owlBody{Note: "x"}))+1)})
	}
	tests := []struct {
		limits         store.Limits
		fits, tooLarge int
	}{
		{store.Limits{}, 1000, 1001},
		{store.Limits{BodyBytes: 500, UploadBytes: 500}, 500, 501},
		{store.Limits{BodyBytes: 5000, UploadBytes: 5000}, 1000, 1001},
	}
	for _, test := range tests {
		w := newOwlWorld(t, func(w *world) { w.config.BodyLimit, w.config.UploadLimit = 1000, 1000 })
		w.limit(test.limits)
		wants(t, "body", w.post(owlPath, body(test.fits), withToken("token")...), "200")
		wants(t, "body", w.post(owlPath, body(test.tooLarge), withToken("token")...), "413 payload_too_large")
		upload := func(size int) answer {
			file := form(filePart(png + strings.Repeat("x", size-len(png))))
			return w.post(owlPath+"?action=lift&chat_id=chat_abc123", file, append(withToken("token"), "Content-Type", formType)...)
		}
		wants(t, "upload", upload(test.fits), "200")
		wants(t, "upload", upload(test.tooLarge), "413 payload_too_large")
	}
}

// TestAccountOrigins holds S12 for accounts: their origins stand in place of the process's, in the preflight and in the
// answer, and tell nobody without credentials more than that.
func TestAccountOrigins(t *testing.T) {
	const shop, other = "https://shop.example", "https://other.example"
	w := newOwlWorld(t)
	w.limit(store.Limits{Origins: []string{shop}})
	plain := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
	w.account(plain, "token")
	unknown := messages.Tenant{Org: "nobody", LiveChat: "lc"}
	tests := []struct {
		of      messages.Tenant
		origin  string
		allowed bool
		post    int
	}{
		{tenant, shop, true, 200},
		{tenant, app, false, 200},
		{tenant, other, false, 200},
		{tenant, "null", false, 200},
		{plain, app, true, 200},
		{plain, shop, false, 200},
		{unknown, app, true, 401},
		{unknown, shop, false, 401},
	}
	allowed := func(h http.Header) string { return h.Get("Access-Control-Allow-Origin") }
	for _, test := range tests {
		name, want, status := test.of.LiveChat+" "+test.origin, "", 403
		if test.allowed {
			want, status = test.origin, 200
		}
		preflight := w.serve(request("OPTIONS", owlPathOf(test.of), "", "Origin", test.origin))
		if preflight.status != status || allowed(preflight.header) != want || preflight.header.Get("Vary") != "Origin" {
			t.Errorf("preflight of %s: %d %v", name, preflight.status, preflight.header)
		}
		got := w.post(owlPathOf(test.of), says(owlBody{}), append(withToken("token"), "Origin", test.origin)...)
		if got.status != test.post || allowed(got.header) != want || got.header.Get("Vary") != "Origin" {
			t.Errorf("answer to %s: %d %v", name, got.status, got.header)
		}
	}
	for _, of := range []messages.Tenant{tenant, unknown} {
		if got := w.post(owlPathOf(of), says(owlBody{}), append(withToken("guess"), "Origin", shop)...); allowed(got.header) != "" {
			t.Errorf("a refusal tells whose origins are whose: %v", got.header)
		}
	}
	w.store.down(messages.Unavailable(errDown))
	wants(t, "during an outage", w.serve(request("OPTIONS", owlPath, "", "Origin", shop)), "200")
	wants(t, "during an outage, unknown", w.serve(request("OPTIONS", owlPathOf(unknown), "", "Origin", app)), "200")
}

// TestPreflightsAreLimited holds S16: a preflight looks an account up, so an address may not send any number.
func TestPreflightsAreLimited(t *testing.T) {
	w := newOwlWorld(t, func(w *world) { w.config.AddressRate, w.config.AddressBurst = 0.001, 2 })
	for _, want := range []string{"200", "200", "429 too_many_requests"} {
		r := request("OPTIONS", owlPath, "", "Origin", app)
		r.RemoteAddr = "192.0.2.1:1"
		wants(t, "preflight", w.serve(r), want)
	}
}
