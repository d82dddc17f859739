package livechat_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/messages"
)

const (
	webhook  = "/webhooks/livechat/:identifier"
	livePath = "/livechat/:identifier"
)

// receive decodes a body as the path and action would.
func receive(path, action, body string) (channels.Received, error) {
	for _, e := range livechat.Channel().Endpoints {
		if e.Path == path {
			return e.Actions[action].Decode(channels.Request{Identity: identity("org123", "user456", "lc-789"), Body: []byte(body)})
		}
	}
	panic("no such path")
}

func spec(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "spec", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// origin is where the spec's examples come from.
var origin = messages.Origin{
	Channel: "livechat",
	Chat:    messages.Chat{Tenant: messages.Tenant{Org: "org123", LiveChat: "lc-789"}, ChatID: "chat_abc123"},
	User:    "user456",
}

func text(s string) *string { return &s }

func TestDecodeSpecExamples(t *testing.T) {
	visitor := messages.Author{ID: "visitor_xyz", Type: "visitor"}
	tests := map[string]struct {
		path, action, body, reply string
		want                      messages.Event
	}{
		"webhook": {webhook, "", "webhook.request", "webhook.response", messages.MessageReceived{
			Origin: origin,
			Message: messages.Message{
				ID: "msg_001", Type: "text", Text: text("Hello, I need help with my order"), Author: visitor,
				CreatedAt: "2024-01-15T10:30:00Z",
			},
			Visitor: &messages.Visitor{ID: "visitor_xyz", Name: "John Doe", Email: "john@example.com"},
		}},
		"message": {livePath, "", "message.request", "message.response", messages.MessageReceived{
			Origin: origin,
			Message: messages.Message{
				ID: "msg_002", Type: "text", Text: text("Can you check order #12345?"), Author: visitor,
				CreatedAt: "2024-01-15T10:32:00Z",
			},
		}},
		"delivery status": {livePath, "delivery_status", "delivery.request", "delivery.response", messages.DeliveryUpdated{
			Origin: origin, MessageID: "msg_outbound_001", Status: messages.Delivered,
			At: map[messages.Status]string{messages.Delivered: "2024-01-15T10:33:00Z"},
		}},
	}
	queuedAt := time.Date(2024, 1, 15, 12, 32, 0, 123_999_999, time.FixedZone("", 2*60*60))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := receive(test.path, test.action, spec(t, test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]messages.Event{test.want}, got.Events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			reply, err := json.Marshal(got.Reply(queuedAt))
			if err != nil {
				t.Fatal(err)
			}
			want := jsontext.Value(spec(t, test.reply))
			if err := want.Compact(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(reply)); diff != "" {
				t.Errorf("reply (-spec +got):\n%s", diff)
			}
		})
	}
}

// TestQueuedAtHasThreeDigits holds that a whole second keeps its zeros.
func TestQueuedAtHasThreeDigits(t *testing.T) {
	got, err := receive(livePath, "", spec(t, "message.request"))
	if err != nil {
		t.Fatal(err)
	}
	reply, _ := json.Marshal(got.Reply(time.Date(2024, 1, 15, 10, 32, 0, 0, time.UTC)))
	if !strings.Contains(string(reply), `"queuedAt":"2024-01-15T10:32:00.000Z"`) {
		t.Error(string(reply))
	}
}

// edit returns the spec's example with one member, given as a path, set to raw JSON, or taken out when raw is empty.
func edit(t *testing.T, example, path, raw string) string {
	t.Helper()
	var root map[string]jsontext.Value
	if err := json.Unmarshal([]byte(example), &root); err != nil {
		t.Fatal(err)
	}
	first, rest, nested := strings.Cut(path, ".")
	switch {
	case nested:
		root[first] = jsontext.Value(edit(t, string(root[first]), rest, raw))
	case raw == "":
		delete(root, first)
	default:
		root[first] = jsontext.Value(raw)
	}
	b, err := json.Marshal(root, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bodies are the three bodies with their required ids, times and optional members.
var bodies = map[string]struct {
	path, action                      string
	ids, times, optional, texts, free []string
}{
	"webhook": {
		webhook, "",
		[]string{"event_type", "chat_id", "message.id", "visitor.id"},
		[]string{"message.timestamp"},
		nil,
		[]string{"message.text"},
		[]string{"visitor.name", "visitor.email"},
	},
	"message": {
		livePath, "",
		[]string{"event", "chat_id", "message.id", "message.type", "message.author.id", "message.author.type"},
		[]string{"message.created_at"},
		nil,
		[]string{"message.text"},
		nil,
	},
	"delivery": {
		livePath, "delivery_status",
		[]string{"message_id", "chat_id", "status"},
		nil,
		[]string{"accepted_at", "queued_at", "sending_at", "sent_at", "failed_at", "undelivered_at", "delivered_at", "read_at"},
		nil, nil,
	},
}

func TestDecodeNamesTheFieldAtFault(t *testing.T) {
	const required, wrong, long = channels.CodeMissingField, channels.CodeInvalidField, channels.CodeFieldTooLong
	quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	check := func(t *testing.T, kind, field, raw, code string) {
		t.Helper()
		b := bodies[kind]
		got, err := receive(b.path, b.action, edit(t, spec(t, kind+".request"), field, raw))
		var invalid *channels.Invalid
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %s = %.40s: got %v, %v", kind, field, raw, got, err)
			return
		}
		if invalid.Code != code || invalid.Field != field {
			t.Errorf("%s: %s = %.40s: got %v, want %s", kind, field, raw, err, code)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(bodies)) {
		b := bodies[kind]
		for _, field := range b.ids {
			check(t, kind, field, "", required)
			check(t, kind, field, "null", required)
			check(t, kind, field, `""`, required)
			check(t, kind, field, "12", wrong)
			check(t, kind, field, "1e400", wrong)
			check(t, kind, field, "{}", wrong)
			if field == "event" || field == "event_type" {
				continue // other words are somebody's new events
			}
			check(t, kind, field, quote(strings.Repeat("x", 257)), long)
			check(t, kind, field, quote("a\x00b"), wrong)
			check(t, kind, field, quote("a\nb"), wrong)
		}
		for _, field := range b.times {
			check(t, kind, field, "", required)
		}
		for _, field := range append(b.times, b.optional...) {
			for _, bad := range []string{
				"yesterday", "2024-01-15", "2024-01-15 10:30:00Z", "2024-01-15T10:30:00", "2024-02-30T10:30:00Z",
				"2024-01-15T24:00:00Z", "2024-01-15T10:30:00,5Z", "2024-1-15T10:30:00Z", "2024-01-15T10:30:00+25:00", " 2024-01-15T10:30:00Z",
			} {
				check(t, kind, field, quote(bad), wrong)
			}
			check(t, kind, field, "1705314600", wrong)
		}
		for _, field := range b.texts {
			check(t, kind, field, "", required)
			check(t, kind, field, "null", required)
			check(t, kind, field, "[]", wrong)
			check(t, kind, field, quote("a\x00b"), wrong)
			check(t, kind, field, quote(strings.Repeat("x", 32<<10+1)), long)
		}
		for _, field := range b.free {
			check(t, kind, field, quote(strings.Repeat("x", 1025)), long)
			check(t, kind, field, quote("a\x00b"), wrong)
		}
	}
	check(t, "webhook", "message", "[]", wrong)
	check(t, "webhook", "visitor", `"John"`, wrong)
	check(t, "delivery", "status", `"Delivered"`, wrong)
	check(t, "delivery", "status", `"gone"`, wrong)
	check(t, "delivery", "error", `"broken"`, wrong)
	check(t, "delivery", "error", "[]", wrong)
}

func TestDecodeAccepts(t *testing.T) {
	tests := []struct{ kind, field, raw string }{
		{"webhook", "event_type", `"incoming_message"`},
		{"message", "event", `"incoming_chat"`},
		{"webhook", "message.text", `""`},
		{"webhook", "message.text", `"line\nline\ttab \u0001 \ud83d\ude00"`},
		{"webhook", "message.timestamp", `"2024-01-15T10:30:00.123456789+05:30"`},
		{"webhook", "visitor.name", "null"},
		{"webhook", "visitor.email", ""},
		{"webhook", "unknown", `{"deep":[1,{"x":null}]}`},
		{"message", "message.unknown", "1e400"},
		{"delivery", "error", `{"code":"30007","reason":"filtered"}`},
		{"delivery", "error", "null"},
		{"delivery", "delivered_at", ""},
		{"delivery", "status", `"undelivered"`},
	}
	for _, test := range tests {
		b := bodies[test.kind]
		got, err := receive(b.path, b.action, edit(t, spec(t, test.kind+".request"), test.field, test.raw))
		if err != nil || len(got.Events) != 1 || got.Ignored != "" {
			t.Errorf("%s: %s = %s: %v, %v", test.kind, test.field, test.raw, got, err)
		}
	}
}

// TestOtherMessageTypesNeedNoText holds that a type of the provider's own is handed on as it is.
func TestOtherMessageTypesNeedNoText(t *testing.T) {
	body := edit(t, edit(t, spec(t, "message.request"), "message.type", `"sticker"`), "message.text", "")
	got, err := receive(livePath, "", body)
	if err != nil {
		t.Fatal(err)
	}
	if m := got.Events[0].(messages.MessageReceived).Message; m.Type != "sticker" || m.Text != nil {
		t.Errorf("got %+v", m)
	}
}

// TestUnknownEventsAreIgnored holds that a word which LiveChat may add one day is answered and published nowhere,
// whatever the rest of its body looks like.
func TestUnknownEventsAreIgnored(t *testing.T) {
	tests := []struct{ path, body string }{
		{webhook, `{"event_type":"chat_deactivated","chat_id":"c"}`},
		{webhook, `{"event_type":"chat_deactivated","message":["another","shape"],"chat_id":7}`},
		{livePath, `{"message":7,"event":"typing_started"}`},
	}
	for _, test := range tests {
		got, err := receive(test.path, "", test.body)
		if err != nil || got.Ignored == "" || len(got.Events) != 0 {
			t.Errorf("%s: %v, %v", test.body, got, err)
			continue
		}
		if reply, _ := json.Marshal(got.Reply(time.Now())); string(reply) != `{"status":"ignored"}` {
			t.Errorf("reply %s", reply)
		}
	}
}

func TestDecodeRefusesWhatIsNotOneJSONObject(t *testing.T) {
	object := `{"event_type":"incoming_chat"`
	tests := map[string]struct{ body, code, field string }{
		"empty":               {"", "invalid_json", ""},
		"null":                {"null", "invalid_json", ""},
		"array":               {"[]", "invalid_json", ""},
		"string":              {`"x"`, "invalid_json", ""},
		"byte-order mark":     {"\xef\xbb\xbf" + object + "}", "invalid_json", ""},
		"UTF-16":              {"{\x00}\x00", "invalid_json", ""},
		"trailing text":       {object + "} x", "invalid_json", ""},
		"two documents":       {object + "}" + object + "}", "invalid_json", ""},
		"cut":                 {object, "invalid_json", ""},
		"comment":             {object + "/**/}", "invalid_json", ""},
		"duplicate name":      {object + `,"chat_id":"a","chat_id":"b"}`, "invalid_json", "chat_id"},
		"duplicate inside":    {object + `,"message":{"id":"a","id":"b"}}`, "invalid_json", "message.id"},
		"duplicate unknown":   {object + `,"Their Words":1,"Their Words":2}`, "invalid_json", ""},
		"duplicate, escaped":  {object + `,"chat_id":"a","chat\u005fid":"b"}`, "invalid_json", "chat_id"},
		"lone surrogate":      {object + `,"chat_id":"\ud800"}`, "invalid_json", "chat_id"},
		"invalid UTF-8":       {object + ",\"chat_id\":\"\xff\"}", "invalid_json", "chat_id"},
		"raw control":         {object + ",\"chat_id\":\"\n\"}", "invalid_json", "chat_id"},
		"10,001 levels":       {object + `,"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", "invalid_json", ""},
		"100,000 levels, cut": {object + `,"x":` + strings.Repeat(`{"a":`, 100_000), "invalid_json", ""},
		"wrong case of name":  {`{"EVENT_TYPE":"incoming_chat"}`, "missing_field", "event_type"},
		"other path's word":   {`{"event":"incoming_message"}`, "missing_field", "event_type"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := receive(webhook, "", test.body)
			var invalid *channels.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, %v", got, err)
			}
			if invalid.Code != test.code || name != "10,001 levels" && name != "100,000 levels, cut" && invalid.Field != test.field {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestManyNames holds that 10^5 members, about what fits into a body, are read and forgotten.
func TestManyNames(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"x0":0`)
	for i := range 100_000 {
		b.WriteString(`,"x` + strings.Repeat("y", i%7) + string(rune('a'+i%26)) + time.Duration(i+1).String() + `":1`)
	}
	_, err := receive(webhook, "", b.String()+"}")
	var invalid *channels.Invalid
	if !errors.As(err, &invalid) || invalid.Field != "event_type" {
		t.Error(err)
	}
}

// TestErrorsNeverQuote puts a word everywhere that a sender can and wants it in no error.
func TestErrorsNeverQuote(t *testing.T) {
	const secret = "SeCrEt"
	bodies := []string{
		secret, `{"` + secret + `":1,"` + secret + `":2}`, `{"chat_id":"` + secret + `\ud800"}`, `{"event_type":{"` + secret + `":1}}`,
		`{"event_type":"incoming_chat","message":{"` + secret + `":tru}}`, `{"event_type":"incoming_chat","chat_id":"` + secret + `\u0000"}`,
		`{"event_type":"incoming_chat","chat_id":"c","message":{"id":"m","text":"","timestamp":"` + secret + `"}}`,
	}
	for _, body := range bodies {
		_, err := receive(webhook, "", body)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
