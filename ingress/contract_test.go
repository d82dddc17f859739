package ingress_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
)

// problemOf reads a problem and wants it to be a whole one.
func problemOf(t testing.TB, a answer) (code, field string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code, Field string
		Status                           int
	}
	if err := json.Unmarshal([]byte(a.body), &p, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if p.Type != "about:blank" || p.Title != http.StatusText(a.status) || p.Status != a.status || p.Detail == "" || p.Code == "" {
		t.Errorf("not a whole problem: %s", a.body)
	}
	return p.Code, p.Field
}

// wants compares an answer with "status code field", or with "200".
func wants(t testing.TB, name string, got answer, want string) {
	t.Helper()
	have := fmt.Sprint(got.status)
	if got.status >= 400 {
		code, field := problemOf(t, got)
		have = strings.TrimSpace(fmt.Sprintf("%d %s %s", got.status, code, field))
	}
	if have != want {
		t.Errorf("%s: got %s, want %s", name, have, want)
	}
}

// rule is one rule that the contract leaves open: a request and "status code field", or "200".
type rule struct {
	name, method, target, body string
	headers                    []string
	want                       string
}

// rules are asked of a world that holds the spec's two messages.
func rules(t *testing.T) []rule {
	return slices.Concat(identifierRules(t), methodAndTypeRules(t), actionAndBodyRules(t), fetchRules(t))
}

func identifierRules(t *testing.T) []rule {
	messageBody := spec(t, "message.request")
	const prefix = "/livechat/"
	return []rule{
		{"padding", "POST", prefix + identifier + "=", messageBody, nil, "400 invalid_identifier identifier"},
		{"escaped", "POST", prefix + "b3JnMTIzOnVzZXI0NTY6bGMtNzg%35", messageBody, nil, "200"},
		{"escaped twice", "POST", prefix + "b3JnMTIzOnVzZXI0NTY6bGMtNzg%2535", messageBody, nil, "400 invalid_identifier identifier"},
		{"slash as it is", "POST", prefix + "bz8/OnU6bA==", messageBody, nil, "200"},
		{"slash escaped", "POST", prefix + "bz8%2FOnU6bA%3D%3D", messageBody, nil, "200"},
		{"slash, URL-safe", "POST", prefix + "bz8_OnU6bA", messageBody, nil, "200"},
		{"plus", "POST", prefix + "bz8+OnU6bA", messageBody, nil, "200"},
		{"NUL", "POST", prefix + "YTpiOmM%00", messageBody, nil, "400 invalid_identifier identifier"},
		{"line feed", "POST", prefix + "YTpiOmM%0A", messageBody, nil, "400 invalid_identifier identifier"},
		{"4 KB", "POST", prefix + strings.Repeat("YTpi", 1024), messageBody, nil, "400 invalid_identifier identifier"},
		{"none", "POST", prefix, messageBody, nil, "400 invalid_identifier identifier"},
		{"none, no slash", "POST", "/livechat", messageBody, nil, "404 not_found"},
		{"other path", "POST", "/whatsapp/" + identifier, messageBody, nil, "404 not_found"},
		{"root", "GET", "/", "", nil, "404 not_found"},
	}
}

func methodAndTypeRules(t *testing.T) []rule {
	messageBody := spec(t, "message.request")
	return []rule{
		{"GET", "GET", livechatPath, "", nil, "405 method_not_allowed"},
		{"DELETE webhook", "DELETE", webhookPath, "", nil, "405 method_not_allowed"},
		{"a method nobody knows", "BREW", livechatPath, "", nil, "405 method_not_allowed"},
		{"no type", "POST", livechatPath, messageBody, []string{"Content-Type", ""}, "415 unsupported_content_type Content-Type"},
		{"form", "POST", livechatPath, messageBody, []string{"Content-Type", "application/x-www-form-urlencoded"}, "415 unsupported_content_type Content-Type"},
		{"charset", "POST", livechatPath, messageBody, []string{"Content-Type", "application/json; charset=UTF-8"}, "200"},
		{"other charset", "POST", livechatPath, messageBody, []string{"Content-Type", "application/json; charset=utf-16"}, "415 unsupported_content_type Content-Type"},
		{"upper case", "POST", livechatPath, messageBody, []string{"Content-Type", "Application/JSON"}, "200"},
		{"gzip", "POST", livechatPath, messageBody, []string{"Content-Encoding", "gzip"}, "415 unsupported_content_encoding"},
		{"identity", "POST", livechatPath, messageBody, []string{"Content-Encoding", "identity"}, "200"},
		{"upload as JSON", "POST", uploadPath, "{}", nil, "415 unsupported_content_type Content-Type"},
		{"fetch as text", "POST", fetchPath, "{}", []string{"Content-Type", "text/plain"}, "415 unsupported_content_type Content-Type"},
	}
}

func actionAndBodyRules(t *testing.T) []rule {
	webhookBody := spec(t, "webhook.request")
	messageBody := spec(t, "message.request")
	return []rule{
		{"unknown action", "POST", livechatPath + "?action=delete", messageBody, nil, "400 unknown_action action"},
		{"empty action", "POST", livechatPath + "?action=", messageBody, nil, "400 unknown_action action"},
		{"action in other case", "POST", livechatPath + "?action=Fetch_Messages", messageBody, nil, "400 unknown_action action"},
		{"action twice", "POST", livechatPath + "?action=fetch_messages&action=fetch_messages", "", nil, "400 invalid_query action"},
		{"webhook has no action", "POST", webhookPath + "?action=fetch_messages", webhookBody, nil, "200"},
		{"other words twice", "POST", livechatPath + "?utm=a&utm=b", messageBody, nil, "200"},
		{"query that is none", "POST", livechatPath + "?chat_id=%zz", messageBody, nil, "400 invalid_query"},
		{"empty", "POST", livechatPath, "", []string{"Content-Type", "application/json"}, "400 invalid_json"},
		{"field", "POST", livechatPath, `{"event":"incoming_message","chat_id":"c","message":{"id":5}}`, nil, "400 invalid_field message.id"},
		{"unknown event", "POST", livechatPath, `{"event":"typing"}`, nil, "200"},
		{"unknown event type", "POST", webhookPath, `{"event_type":"chat_deactivated","chat_id":[]}`, nil, "200"},
		{"too large", "POST", livechatPath, `{"event":"` + strings.Repeat("x", 1<<20) + `"}`, nil, "413 payload_too_large"},
		{"status unknown", "POST", deliveryPath, `{"message_id":"m","chat_id":"c","status":"lost"}`, nil, "400 invalid_field status"},
	}
}

func fetchRules(t *testing.T) []rule {
	fetchBody := spec(t, "fetch.request")
	window := func(from, to string) string {
		return `{"from_timestamp":"` + from + `","to_timestamp":"` + to + `"}`
	}
	return []rule{
		{"limit 1", "POST", fetchPath + "&limit=1", fetchBody, nil, "200"},
		{"limit 100", "POST", fetchPath + "&limit=100", fetchBody, nil, "200"},
		{"limit 0", "POST", fetchPath + "&limit=0", fetchBody, nil, "400 invalid_query limit"},
		{"limit 101", "POST", fetchPath + "&limit=101", fetchBody, nil, "400 invalid_query limit"},
		{"limit -1", "POST", fetchPath + "&limit=-1", fetchBody, nil, "400 invalid_query limit"},
		{"limit +1", "POST", fetchPath + "&limit=%2B1", fetchBody, nil, "400 invalid_query limit"},
		{"limit 1.5", "POST", fetchPath + "&limit=1.5", fetchBody, nil, "400 invalid_query limit"},
		{"limit empty", "POST", fetchPath + "&limit=", fetchBody, nil, "400 invalid_query limit"},
		{"limit huge", "POST", fetchPath + "&limit=18446744073709551617", fetchBody, nil, "400 invalid_query limit"},
		{"limit twice", "POST", fetchPath + "&limit=1&limit=2", fetchBody, nil, "400 invalid_query limit"},
		{"chat twice", "POST", fetchPath + "&chat_id=b", fetchBody, nil, "400 invalid_query chat_id"},
		{"no chat", "POST", livechatPath + "?action=fetch_messages", fetchBody, nil, "400 missing_field chat_id"},
		{"chat with NUL", "POST", livechatPath + "?action=fetch_messages&chat_id=a%00", fetchBody, nil, "400 invalid_query chat_id"},
		{"chat not UTF-8", "POST", livechatPath + "?action=fetch_messages&chat_id=%ff", fetchBody, nil, "400 invalid_query chat_id"},
		{"long chat", "POST", livechatPath + "?action=fetch_messages&chat_id=" + strings.Repeat("x", 257), fetchBody, nil, "400 field_too_long chat_id"},
		{"unknown chat", "POST", livechatPath + "?action=fetch_messages&chat_id=other", fetchBody, nil, "404 chat_not_found"},
		{"chat of another tenant", "POST", "/livechat/b3JnOnVzZXI6bGM?action=fetch_messages&chat_id=chat_abc123", "", nil, "404 chat_not_found"},
		{"another user of the tenant", "POST", "/livechat/b3JnMTIzOm90aGVyOmxjLTc4OQ==?action=fetch_messages&chat_id=chat_abc123", "", nil, "200"},
		{"no body", "POST", fetchPath, "", nil, "200"},
		{"white space", "POST", fetchPath, " \n", nil, "200"},
		{"empty object", "POST", fetchPath, "{}", nil, "200"},
		{"null window", "POST", fetchPath, `{"from_timestamp":null,"to_timestamp":null}`, nil, "200"},
		{"array", "POST", fetchPath, "[]", nil, "400 invalid_json"},
		{"from = to", "POST", fetchPath, window("2024-01-15T10:30:00Z", "2024-01-15T10:30:00Z"), nil, "200"},
		{"from = to in other zones", "POST", fetchPath, window("2024-01-15T12:30:00+02:00", "2024-01-15T10:30:00Z"), nil, "200"},
		{"from > to", "POST", fetchPath, window("2024-01-15T10:30:01Z", "2024-01-15T10:30:00Z"), nil, "400 invalid_field from_timestamp"},
		{"from is a day", "POST", fetchPath, window("2024-01-15", "2024-01-15T10:30:00Z"), nil, "400 invalid_field from_timestamp"},
		{"to is empty", "POST", fetchPath, `{"to_timestamp":""}`, nil, "400 invalid_field to_timestamp"},
		{"to is a number", "POST", fetchPath, `{"to_timestamp":1}`, nil, "400 invalid_field to_timestamp"},
		{"from twice", "POST", fetchPath, `{"from_timestamp":null,"from_timestamp":null}`, nil, "400 invalid_json from_timestamp"},
		{"cursor", "POST", fetchPath + "&cursor=AQAAAAAAAAABAAAAAAAAAAI", "", nil, "200"},
		{"cursor empty", "POST", fetchPath + "&cursor=", "", nil, "400 invalid_query cursor"},
		{"cursor of another version", "POST", fetchPath + "&cursor=AgAAAAAAAAABAAAAAAAAAAI", "", nil, "400 invalid_query cursor"},
		{"cursor cut", "POST", fetchPath + "&cursor=AQAAAAAAAAAB", "", nil, "400 invalid_query cursor"},
		{"cursor of nothing", "POST", fetchPath + "&cursor=AQAAAAAAAAAAAAAAAAAAAAA", "", nil, "400 invalid_query cursor"},
		{"cursor twice", "POST", fetchPath + "&cursor=a&cursor=b", "", nil, "400 invalid_query cursor"},
	}
}

// TestRulesOfTheContract has a row for each rule.
func TestRulesOfTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that waiting for unknown chats takes no time
		w := newWorld(t)
		wants(t, "webhook", w.post(webhookPath, spec(t, "webhook.request")), "200")
		wants(t, "message", w.post(livechatPath, spec(t, "message.request")), "200")
		for _, test := range rules(t) {
			got := w.serve(request(test.method, test.target, test.body, test.headers...))
			wants(t, test.name, got, test.want)
			if allow := got.header.Get("Allow"); (got.status == http.StatusMethodNotAllowed) != (allow == "POST, OPTIONS") {
				t.Errorf("%s: %d with Allow %q", test.name, got.status, allow)
			}
		}
	})
}

// TestOrderOfChecks holds that each check comes before the work of the next: a request with everything wrong with it is
// told the first fault only.
func TestOrderOfChecks(t *testing.T) {
	tests := []struct{ name, method, target, body, want string }{
		{"size before identifier", "GET", "/livechat/!?action=x", strings.Repeat("x", 1<<20+1), "413 payload_too_large"},
		{"identifier before credentials", "GET", "/livechat/!?action=x", "{", "400 invalid_identifier identifier"},
		{"credentials before method", "GET", livechatPath + "?action=x", "{", "401 unauthorized"},
		{"credentials before body", "POST", livechatPath, "{", "401 unauthorized"},
	}
	w := newWorld(t, func(w *world) { w.config.Access = "accounts" })
	for _, test := range tests {
		wants(t, test.name, w.serve(request(test.method, test.target, test.body, "Content-Type", "text/plain")), test.want)
	}
	open := newWorld(t)
	wants(t, "method before action", open.serve(request("GET", livechatPath+"?action=x", "{", "Content-Type", "text/plain")), "405 method_not_allowed")
	wants(t, "action before type", open.post(livechatPath+"?action=x", "{", "Content-Type", "text/plain"), "400 unknown_action action")
	wants(t, "type before body", open.post(livechatPath, "{", "Content-Type", "text/plain"), "415 unsupported_content_type Content-Type")
	if n := len(open.bus.events()) + len(w.bus.events()); n != 0 {
		t.Errorf("%d events of refused requests were published", n)
	}
}

// TestNoAnswerBeforeTheBroker holds that nothing is acknowledged that is not durable.
func TestNoAnswerBeforeTheBroker(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		w := newWorld(t)
		w.bus.publish = func(string, []*message.Message) error { return errors.New("no quorum") }
		got := w.post(livechatPath, spec(t, "message.request"))
		wants(t, "publish fails", got, "503 not_published")
		if got.header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
	})
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.bus.publish = func(_ string, msgs []*message.Message) error {
				<-msgs[0].Context().Done()
				return msgs[0].Context().Err()
			}
			start := time.Now()
			wants(t, "broker hangs", w.post(livechatPath, spec(t, "message.request")), "503 not_published")
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("answered after %s", took)
			}
		})
	})
	t.Run("queuedAt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.bus.publish = func(string, []*message.Message) error {
				<-time.After(1500 * time.Millisecond)
				return nil
			}
			want := `{"status":"processed","messageId":"msg_002","queuedAt":"` + time.Now().UTC().Add(1500*time.Millisecond).Format("2006-01-02T15:04:05.000Z") + `"}`
			if got := w.post(livechatPath, spec(t, "message.request")); compact(t, got.body) != want {
				t.Errorf("got %s, want %s", got.body, want)
			}
		})
	})
}

// TestCallerWhoHangsUpDoesNotStopThePublish holds that the events of a request go out together or fail by themselves.
func TestCallerWhoHangsUpDoesNotStopThePublish(t *testing.T) {
	w := newWorld(t)
	ctx, hangUp := cancelable(t)
	w.bus.publish = func(_ string, msgs []*message.Message) error {
		hangUp()
		return msgs[0].Context().Err()
	}
	wants(t, "hung up", w.serve(request("POST", livechatPath, spec(t, "message.request")).WithContext(ctx)), "200")
}

// TestPanicStaysWithItsRequest holds that a fault in one request is told by an id, without what it was about.
func TestPanicStaysWithItsRequest(t *testing.T) {
	w := newWorld(t)
	w.bus.publish = func(string, []*message.Message) error { panic("SeCrEt") }
	got := w.post(livechatPath, spec(t, "message.request"))
	wants(t, "panic", got, "500 internal_error")
	var p struct {
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal([]byte(got.body), &p)
	if p.RequestID == "" || !strings.Contains(w.logs.String(), p.RequestID) {
		t.Errorf("request id %q is not in the log", p.RequestID)
	}
	if strings.Contains(got.body+w.logs.String(), "SeCrEt") {
		t.Error("the panic's value was told")
	}
	w.bus.publish = nil
	wants(t, "the next", w.post(livechatPath, spec(t, "message.request")), "200")
}

// TestTraceParent holds that a valid trace goes on and anything else starts a new one.
func TestTraceParent(t *testing.T) {
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	w := newWorld(t)
	for _, given := range []string{
		valid, "", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", strings.ToUpper(valid),
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", valid + "-x", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	} {
		wants(t, given, w.post(livechatPath, spec(t, "message.request"), "Traceparent", given), "200")
	}
	seen := map[string]bool{}
	for i, env := range w.bus.events() {
		if (env.TraceParent == valid) != (i == 0) || len(env.TraceParent) != 55 || seen[env.TraceParent] {
			t.Errorf("event %d has traceparent %q", i, env.TraceParent)
		}
		seen[env.TraceParent] = true
	}
}
