package ingress_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/messages"
)

func TestAccessMatrix(t *testing.T) {
	tests := []struct {
		name     string
		mode     ingress.Access
		loopback bool
		accounts string // "", "ours", "others", "removed"
		token    string
		want     string
	}{
		{"auto, loopback, no account", "auto", true, "", "", "200"},
		{"auto, loopback, no account, any token", "auto", true, "", "x", "200"},
		{"auto, loopback, once an account", "auto", true, "removed", "", "401 unauthorized"},
		{"auto, loopback, somebody's account", "auto", true, "others", "", "401 unauthorized"},
		{"auto, loopback, account", "auto", true, "ours", "", "401 unauthorized"},
		{"auto, loopback, account, token", "auto", true, "ours", "token", "200"},
		{"auto, elsewhere, no account", "auto", false, "", "", "401 unauthorized"},
		{"auto, elsewhere, token", "auto", false, "ours", "token", "200"},
		{"accounts, loopback, no account", "accounts", true, "", "", "401 unauthorized"},
		{"accounts, token", "accounts", true, "ours", "token", "200"},
		{"accounts, second token", "accounts", true, "ours", "newer", "200"},
		{"accounts, wrong token", "accounts", true, "ours", "Token", "401 unauthorized"},
		{"accounts, token of another tenant", "accounts", true, "others", "token", "401 unauthorized"},
		{"open, elsewhere, account", "open", false, "ours", "", "200"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.config.Access, w.config.Loopback = test.mode, test.loopback })
			switch test.accounts {
			case "ours":
				w.account(tenant, "token", "newer")
			case "others":
				w.account(messages.Tenant{Org: "org123", LiveChat: "lc-790"}, "token")
			case "removed":
				w.store.ever = true
			}
			var headers []string
			if test.token != "" {
				headers = []string{"Authorization", "Bearer " + test.token}
			}
			for _, target := range []string{webhookPath, livechatPath} {
				body := spec(t, map[string]string{webhookPath: "webhook", livechatPath: "message"}[target]+".request")
				wants(t, target, w.post(target, body, headers...), test.want)
			}
		})
	}
}

// TestRefusedCredentialsLookAlike holds S1: nobody learns which part was wrong.
func TestRefusedCredentialsLookAlike(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.Access = "accounts" })
	w.account(tenant, "token")
	const unknown = "/livechat/b3JnOnVzZXI6bGM"
	first := w.post(livechatPath, "{}")
	if first.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate %q", first.header.Get("WWW-Authenticate"))
	}
	for name, got := range map[string]answer{
		"wrong token":              w.post(livechatPath, "{}", "Authorization", "Bearer wrong"),
		"unknown tenant":           w.post(unknown, "{}", "Authorization", "Bearer token"),
		"unknown tenant, no token": w.post(unknown, "{}"),
		"empty token":              w.post(livechatPath, "{}", "Authorization", "Bearer "),
		"other scheme":             w.post(livechatPath, "{}", "Authorization", "Basic token"),
		"token with more after it": w.post(livechatPath, "{}", "Authorization", "Bearer token x"),
		"undecodable body":         w.post(livechatPath, "{"),
		"fetch":                    w.post(fetchPath, ""),
		"upload":                   w.upload(form(filePart(png))),
	} {
		if diff := cmp.Diff(first, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s (-missing +got):\n%s", name, diff)
		}
	}
	wants(t, "scheme in lower case", w.post(livechatPath, messageBody("m"), "Authorization", "bearer token"), "200")
}

// TestAnAccountClosesTheDoor holds that auto closes with the first account, without a restart, and never opens again.
func TestAnAccountClosesTheDoor(t *testing.T) {
	w := newWorld(t)
	wants(t, "before", w.post(livechatPath, messageBody("m1")), "200")
	w.account(tenant, "token")
	wants(t, "after", w.post(livechatPath, messageBody("m2")), "401 unauthorized")
	w.remove(tenant)
	wants(t, "removed", w.post(livechatPath, messageBody("m3")), "401 unauthorized")
}

// TestOpenModeKnowsItsNeighbours holds S12 and S18 for the open door of this machine: pages of others cannot use it, by
// their origin or by a name of theirs that leads here.
func TestOpenModeKnowsItsNeighbours(t *testing.T) {
	tests := []struct{ host, origin, want string }{
		{"127.0.0.1:8080", "", "200"},
		{"localhost:8080", "", "200"},
		{"LOCALHOST", "", "200"},
		{"[::1]:8080", "", "200"},
		{"[::1]", "", "200"},
		{"127.8.9.1", "", "200"},
		{"ingress.internal:8080", "", "200"},
		{"attacker.example:8080", "", "403 host_not_allowed"},
		{"localhost.attacker.example", "", "403 host_not_allowed"},
		{"127.0.0.1.attacker.example", "", "403 host_not_allowed"},
		{"192.168.1.5:8080", "", "403 host_not_allowed"},
		{"", "", "403 host_not_allowed"},
		{"127.0.0.1:8080", "https://app.example.com", "200"},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", "200"},
		{"127.0.0.1:8080", "http://127.0.0.1:9999", "403 origin_not_allowed"},
		{"127.0.0.1:8080", "https://attacker.example", "403 origin_not_allowed"},
		{"127.0.0.1:8080", "null", "403 origin_not_allowed"},
		{"attacker.example", "http://attacker.example", "403 host_not_allowed"},
	}
	w := newWorld(t, func(w *world) { w.config.Access = "open"; w.config.Hosts = []string{"Ingress.internal"} })
	w.release(t, "image/png", ".png", "a.png", "hello")
	for _, test := range tests {
		for target, method := range map[string]string{livechatPath: "POST", "/media/" + mediaID + ".png": "GET"} {
			r := request(method, target, map[string]string{"POST": messageBody("m")}[method], "Origin", test.origin)
			r.Host = test.host
			wants(t, test.host+" "+test.origin+" "+method, w.serve(r), test.want)
		}
	}
	closed := newWorld(t, func(w *world) { w.config.Access = "accounts" })
	closed.account(tenant, "token")
	r := request("POST", livechatPath, messageBody("m"), "Authorization", "Bearer token", "Origin", "https://other.example")
	r.Host = "api.example.com"
	got := closed.serve(r)
	wants(t, "accounts mode has any name", got, "200")
	if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("a foreign page may read: %q", allowed)
	}
}

// TestLimitsByAddress holds S16: guesses are limited by address, whatever the caller says about it.
func TestLimitsByAddress(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.config.Access, w.config.AddressRate, w.config.AddressBurst = "open", 0.001, 2
		w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	send := func(remote, forwarded string) answer {
		r := request("POST", livechatPath, messageBody("m"), "X-Forwarded-For", forwarded)
		r.RemoteAddr = remote
		return w.serve(r)
	}
	tests := []struct{ name, remote, forwarded, want string }{
		{"first", "192.0.2.1:1", "", "200"},
		{"second, other port", "192.0.2.1:2", "", "200"},
		{"third", "192.0.2.1:3", "", "429 too_many_requests"},
		{"an untrusted peer speaks for nobody", "192.0.2.1:3", "198.51.100.1", "429 too_many_requests"},
		{"same in IPv6", "[::ffff:192.0.2.1]:3", "", "429 too_many_requests"},
		{"another address", "192.0.2.2:1", "", "200"},
		{"IPv6", "[2001:db8::1]:1", "", "200"},
		{"IPv6, same /64", "[2001:db8::2]:1", "", "200"},
		{"IPv6, same /64 again", "[2001:db8::3]:1", "", "429 too_many_requests"},
		{"IPv6, other /64", "[2001:db8:0:1::1]:1", "", "200"},
		{"behind a proxy", "10.0.0.1:1", "192.0.2.1", "429 too_many_requests"},
		{"behind two proxies", "10.0.0.1:1", "192.0.2.1, 10.0.0.2", "429 too_many_requests"},
		{"what the caller wrote before is not believed", "10.0.0.1:1", "198.51.100.7, 192.0.2.1", "429 too_many_requests"},
		{"somebody else behind the proxy", "10.0.0.1:1", "198.51.100.7", "200"},
		{"nonsense from a proxy counts for the proxy", "10.0.0.9:1", "nonsense", "200"},
		{"loopback has no limit", "127.0.0.1:1", "", "200"},
		{"loopback has no limit", "127.0.0.1:1", "", "200"},
		{"loopback has no limit", "[::1]:1", "", "200"},
		{"loopback has no limit", "127.0.0.1:1", "", "200"},
	}
	for _, test := range tests {
		got := send(test.remote, test.forwarded)
		wants(t, test.name, got, test.want)
		if (got.status == http.StatusTooManyRequests) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", test.name, got.header.Get("Retry-After"))
		}
	}
}

func accessOf(mode string) ingress.Access { return ingress.Access(mode) }
