package webapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/channels/livechat/webapi/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID = "0805e283233042b37f460ed8fbf22160"
	pat      = "b7eff798-f8df-4364-8059-649c35c9ed0c:dal:pat-of-the-test"
	basic    = "Basic YjdlZmY3OTgtZjhkZi00MzY0LTgwNTktNjQ5YzM1YzllZDBjOmRhbDpwYXQtb2YtdGhlLXRlc3Q="
)

var quick = webapi.Pace{First: time.Millisecond, Longest: 4 * time.Millisecond, Total: 5 * time.Second}

// open starts a stand-in and a client of it. pauses counts how often the client waited.
func open(t *testing.T, pace webapi.Pace) (server *standin.Server, client *webapi.Client, pauses *[]time.Duration) {
	t.Helper()
	server = standin.Start(basic)
	t.Cleanup(server.Close)
	pauses = new([]time.Duration)
	client, err := webapi.New(webapi.Config{
		BaseURL: server.URL, Token: pat, Pace: pace,
		Waiting: func(_ error, pause time.Duration) { *pauses = append(*pauses, pause) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return server, client, pauses
}

func registration(action string) webapi.Registration {
	return webapi.Registration{
		Action: action, URL: "https://hooks.example.com/webhooks/livechat", SecretKey: "a-secret-of-the-test",
		Description: "livepipe " + action, OwnerClientID: clientID, Type: "license",
		AdditionalData: []string{"chat_properties"}, Filters: webapi.Filters{SourceType: []string{"system"}},
	}
}

// TestTokens: each kind of token travels in the way that LiveChat documents for it, to its own region.
func TestTokens(t *testing.T) {
	encoded := strings.TrimPrefix(basic, "Basic ")
	for name, c := range map[string]struct{ token, header, region string }{
		"OAuth, United States":                   {"dal:abc", "Bearer dal:abc", ""},
		"OAuth, Europe":                          {"fra:abc", "Bearer fra:abc", "fra"},
		"OAuth without a region":                 {"abc", "Bearer abc", ""},
		"personal, as account and token":         {pat, basic, ""},
		"personal, as the Console encodes it":    {encoded, basic, ""},
		"personal, Europe":                       {"b7eff798-f8df-4364-8059-649c35c9ed0c:fra:x", "Basic YjdlZmY3OTgtZjhkZi00MzY0LTgwNTktNjQ5YzM1YzllZDBjOmZyYTp4", "fra"},
		"a whole header":                         {basic, basic, ""},
		"a whole header of OAuth":                {"Bearer dal:abc", "Bearer dal:abc", ""},
		"with the newline of a file":             {"dal:abc\n", "Bearer dal:abc", ""},
		"base64 that is no account is an opaque": {"YWJj", "Bearer YWJj", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got http.Header
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Header
				_, _ = w.Write([]byte("[]"))
			}))
			defer server.Close()
			client, err := webapi.New(webapi.Config{BaseURL: server.URL, Token: c.token})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := client.Webhooks(t.Context(), clientID); err != nil {
				t.Fatal(err)
			}
			if got.Get("Authorization") != c.header || got.Get("X-Region") != c.region {
				t.Errorf("sent %q to region %q, want %q to %q", got.Get("Authorization"), got.Get("X-Region"), c.header, c.region)
			}
		})
	}
}

// TestNewRefuses what would leak the token or cannot work, and shows nothing of the token.
func TestNewRefuses(t *testing.T) {
	const address = "https://api.example.com"
	for name, c := range map[string]webapi.Config{
		"no token":                    {BaseURL: address},
		"two lines":                   {Token: "one\ntwo-is-hidden", BaseURL: address},
		"a password without account":  {Token: "Basic dHdvLWlzLWhpZGRlbg==", BaseURL: address},
		"another scheme":              {Token: "Digest two-is-hidden", BaseURL: address},
		"an address in the clear":     {Token: "two-is-hidden", BaseURL: "http://api.example.com"},
		"an address with credentials": {Token: "x", BaseURL: "https://two-is-hidden@api.example.com"},
		"no address":                  {Token: "x", BaseURL: "api.example.com"},
		"an empty address":            {Token: "x"},
	} {
		_, err := webapi.New(c)
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

// TestBusyIsTriedAgain: what passes is waited for with growing pauses, and the pauses end.
func TestBusyIsTriedAgain(t *testing.T) {
	server, client, pauses := open(t, quick)
	server.Break("list_webhooks",
		standin.Fault{Status: 429, Type: "too_many_requests"}, standin.Fault{Status: 503},
		standin.Fault{Status: 500, Type: "internal"}, standin.Fault{HangUp: true}, standin.Fault{Status: 400, Type: "request_timeout"})
	if _, err := client.Webhooks(t.Context(), clientID); err != nil {
		t.Fatal(err)
	}
	if len(*pauses) != 5 || (*pauses)[4] <= (*pauses)[0] {
		t.Errorf("pauses %v, want five that grow", *pauses)
	}

	server, client, pauses = open(t, webapi.Pace{First: time.Millisecond, Longest: time.Millisecond, Total: 200 * time.Millisecond})
	server.Break("list_webhooks", slices.Repeat([]standin.Fault{{Status: 429, Type: "too_many_requests"}}, 10_000)...)
	_, err := client.Webhooks(t.Context(), clientID)
	if err == nil || !strings.Contains(err.Error(), "slow down") || len(*pauses) == 0 {
		t.Errorf("after %d pauses: %v", len(*pauses), err)
	}
}

// TestRetryAfterIsHonoured up to the longest pause.
func TestRetryAfterIsHonoured(t *testing.T) {
	server, client, pauses := open(t, webapi.Pace{First: time.Microsecond, Longest: 50 * time.Millisecond, Total: time.Minute})
	server.Break("list_webhooks", standin.Fault{Status: 429, Type: "too_many_requests", RetryAfter: "3600"})
	if _, err := client.Webhooks(t.Context(), clientID); err != nil {
		t.Fatal(err)
	}
	if len(*pauses) != 1 || (*pauses)[0] != 50*time.Millisecond {
		t.Errorf("pauses %v, want one of 50ms", *pauses)
	}
}

// TestFinalRefusals are reported at once, in one line that says what to do.
func TestFinalRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*standin.Server)
		says    string
	}{
		"a scope is missing": {func(s *standin.Server) { s.Revoke("webhooks.configuration:rw") }, "webhooks.configuration:rw and webhooks.state:rw"},
		"the token is wrong": {func(s *standin.Server) {
			s.Break("list_webhooks", standin.Fault{Status: 401, Type: "authentication"})
		}, "make a new one"},
		"a word of the future": {func(s *standin.Server) {
			s.Break("list_webhooks", standin.Fault{Status: 400, Type: "moon_is_full", Message: "try\n\x1b[31mtomorrow"})
		}, "moon_is_full (try[31mtomorrow)"},
		"not LiveChat": {func(s *standin.Server) { s.Break("list_webhooks", standin.Fault{Status: 404}) }, "404 Not Found"},
		"the token comes back": {func(s *standin.Server) {
			s.Break("list_webhooks", standin.Fault{Status: 400, Type: "validation", Message: "bad " + basic + " and dal:pat-of-the-test"})
		}, "(bad Basic (hidden) and (hidden))"},
	} {
		t.Run(name, func(t *testing.T) {
			server, client, pauses := open(t, quick)
			c.prepare(server)
			_, err := client.Webhooks(t.Context(), clientID)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want %q in one line", err, c.says)
			}
			if len(*pauses) != 0 || !webapi.Undone(err) {
				t.Errorf("%d pauses, undone %v", len(*pauses), webapi.Undone(err))
			}
		})
	}
}

// TestMisdirectedIsFollowed: the region that LiveChat names is used, for later calls too.
func TestMisdirectedIsFollowed(t *testing.T) {
	server, client, _ := open(t, quick)
	server.Move("fra")
	for range 2 {
		if _, err := client.Webhooks(t.Context(), clientID); err != nil {
			t.Fatal(err)
		}
	}
	if calls := server.Calls(); len(calls) != 3 {
		t.Errorf("%d calls, want 3: the region is asked for once", len(calls))
	}
}

// TestNobodyThere: an address that never answered is reported at once.
func TestNobodyThere(t *testing.T) {
	server, client, pauses := open(t, quick)
	server.Close()
	_, err := client.Webhooks(t.Context(), clientID)
	if err == nil || !strings.Contains(err.Error(), "no answer from "+server.URL) || len(*pauses) != 0 || webapi.Undone(err) {
		t.Errorf("%v after %d pauses", err, len(*pauses))
	}
}

// TestRedirectsAreNotFollowed: the token goes to LiveChat and nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("called with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	client, err := webapi.New(webapi.Config{BaseURL: server.URL, Token: pat, Pace: quick})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Webhooks(t.Context(), clientID); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("error %v", err)
	}
}

// TestInterruptEndsAWait: whoever stops the command need not wait for LiveChat.
func TestInterruptEndsAWait(t *testing.T) {
	server, _, _ := open(t, quick)
	server.Break("list_webhooks", standin.Fault{Status: 429, Type: "too_many_requests"})
	ctx, cancel := context.WithCancel(t.Context())
	client, err := webapi.New(webapi.Config{
		BaseURL: server.URL, Token: pat, Pace: webapi.Pace{First: time.Hour, Longest: time.Hour, Total: 24 * time.Hour},
		Waiting: func(error, time.Duration) { cancel() },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Webhooks(ctx, clientID); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
