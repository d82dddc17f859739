package ingress_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestAccountOrigins holds S12 for accounts: their origins stand in place of the process's. A preflight tells of them only
// to a page that is one of them; another page of the process's is refused once it has shown a credential.
func TestAccountOrigins(t *testing.T) {
	const shop, other, same = "https://shop.example", "https://other.example", "http://127.0.0.1:8080"
	w := newOwlWorld(t)
	w.limit(store.Limits{Origins: []string{shop}})
	plain := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
	w.account(plain, "token")
	unknown := messages.Tenant{Org: "nobody", LiveChat: "lc"}
	tests := []struct {
		of        messages.Tenant
		origin    string
		preflight bool
		post      string
		reads     bool // the answer to its post
	}{
		{tenant, shop, true, "200", true},
		{tenant, app, true, "403 origin_not_allowed", false},
		{tenant, other, false, "403 origin_not_allowed", false},
		{tenant, "null", false, "403 origin_not_allowed", false},
		{tenant, same, false, "200", false},
		{tenant, "", true, "200", false},
		{plain, app, true, "200", true},
		{plain, shop, false, "200", false},
		{unknown, app, true, "401 unauthorized", true},
		{unknown, shop, false, "401 unauthorized", false},
	}
	allowed := func(allows bool, origin string) string {
		if allows {
			return origin
		}
		return ""
	}
	for _, test := range tests {
		name, status := test.of.LiveChat+" "+test.origin, "200"
		if !test.preflight {
			status = "403 origin_not_allowed"
		}
		preflight := w.serve(request("OPTIONS", owlPathOf(test.of), "", "Origin", test.origin))
		wants(t, "preflight of "+name, preflight, status)
		before := len(w.bus.events())
		got := w.post(owlPathOf(test.of), says(owlBody{}), append(withToken("token"), "Origin", test.origin)...)
		wants(t, "post of "+name, got, test.post)
		if published := len(w.bus.events()) > before; published != (got.status == 200) {
			t.Errorf("post of %s: published %v", name, published)
		}
		for h, want := range map[*http.Header]string{
			&preflight.header: allowed(test.preflight, test.origin), &got.header: allowed(test.reads, test.origin),
		} {
			if h.Get("Access-Control-Allow-Origin") != want || h.Get("Vary") != "Origin" {
				t.Errorf("%s: %v, want %q", name, *h, want)
			}
		}
	}
	for _, of := range []messages.Tenant{tenant, unknown} {
		if got := w.post(owlPathOf(of), says(owlBody{}), append(withToken("guess"), "Origin", shop)...); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a refusal tells whose origins are whose: %v", got.header)
		}
	}
	w.store.down(messages.Unavailable(errDown))
	wants(t, "during an outage", w.serve(request("OPTIONS", owlPath, "", "Origin", shop)), "200")
	wants(t, "during an outage, unknown", w.serve(request("OPTIONS", owlPathOf(unknown), "", "Origin", app)), "200")
}

// TestPreflightsDoTheSameWork holds S15 and S16 for preflights: the answer to an origin that the account does not have is
// to the letter the one for no account, after as many look-ups: none for the process's origins, one for any other.
func TestPreflightsDoTheSameWork(t *testing.T) {
	w := newOwlWorld(t)
	w.limit(store.Limits{Origins: []string{"https://shop.example"}})
	plain := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
	w.account(plain, "token")
	wants(t, "cached", w.withToken("token"), "200")
	wants(t, "cached", w.post(owlPathOf(plain), says(owlBody{}), withToken("token")...), "200")
	unknown := messages.Tenant{Org: "nobody", LiveChat: "lc"}
	for origin, lookups := range map[string]int{app: 0, "": 0, "https://other.example": 1, "null": 1} {
		for range 3 {
			ask := func(of messages.Tenant) answer {
				w.store.asked()
				got := w.serve(request("OPTIONS", owlPathOf(of), "", "Origin", origin, "Access-Control-Request-Method", "POST"))
				if asked := w.store.asked(); asked != lookups {
					t.Errorf("%q of %s: %d look-ups, want %d", origin, of.LiveChat, asked, lookups)
				}
				return got
			}
			nobodys := ask(unknown)
			for name, of := range map[string]messages.Tenant{"with its own origins": tenant, "without": plain} {
				if diff := cmp.Diff(nobodys, ask(of), cmp.AllowUnexported(answer{})); diff != "" {
					t.Errorf("%q, account %s (-unknown +got):\n%s", origin, name, diff)
				}
			}
		}
	}
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
