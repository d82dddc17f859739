package livechat_test

import (
	"errors"
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

const openPath = "/webhooks/livechat"

var noon = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

// hook is a body of version 3 with an action and a payload.
func hook(action, payload string) string {
	return `{"webhook_id":"w1","secret_key":"s3cr3t","action":"` + action + `","organization_id":"o1","payload":` + payload + `}`
}

// TestShapesAreToldApart holds the order in which a body's shape is found, where one could be taken for another.
func TestShapesAreToldApart(t *testing.T) {
	ours := strings.TrimSuffix(strings.TrimSpace(spec(t, "webhook.request")), "}")
	tests := map[string]struct {
		body string
		want string // the ignored word, "events", or an error's code
	}{
		"our body":                              {ours + "}", "events"},
		"our body with a token and a license":   {ours + `,"token":"t","license_id":"1"}`, "v2"},
		"our body with an application":          {ours + `,"applicationID":"a","token":"t","license_id":"1"}`, "app_lifecycle"},
		"version 3 with everybody else's names": {hook("chat_deactivated", `{"chat_id":"c"},"applicationID":"a","event_type":"x","token":"t","license_id":1`), "events"},
		"no webhook_id":                         {`{"action":"chat_deactivated","payload":{"chat_id":"c"}}`, "missing_field"},
		"no action":                             {`{"webhook_id":"w","payload":{"chat_id":"c"}}`, "missing_field"},
		"no payload":                            {`{"webhook_id":"w","action":"chat_deactivated"}`, "missing_field"},
		"a secret_key and no webhook_id":        {`{"secret_key":"s","action":"chat_deactivated","payload":{"chat_id":"c"}}`, "events"},
		"a secret_key and no payload":           {`{"secret_key":"s","action":"chat_deactivated"}`, "malformed"},
		"a secret_key and the payload of 3.0":   {`{"secret_key":"s","action":"chat_deactivated","data":{"chat_id":"c"}}`, "events"},
		"a secret_key and no action":            {`{"secret_key":"s","payload":{"chat_id":"c"}}`, "missing_field"},
		"our body with a secret_key":            {ours + `,"secret_key":"s","action":"x"}`, "events"},
		"our other word with a secret_key":      {`{"event":"incoming_message","secret_key":"s","action":"chat_deactivated","payload":{"chat_id":"c"}}`, "missing_field"},
		"names inside":                          {`{"x":{"webhook_id":"w","action":"chat_deactivated","payload":{"chat_id":"c"}}}`, "missing_field"},
		"no license":                            {`{"event_type":"chat_started","token":"t"}`, "unknown_event"},
		"our word nobody knows":                 {`{"event_type":"chat_teleported"}`, "unknown_event"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := result(decodeOn(t, webhook, []byte(test.body), noon)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func result(got channels.Received, err error) string {
	var invalid *channels.Invalid
	switch {
	case errors.As(err, &invalid):
		return invalid.Code
	case err != nil:
		return err.Error()
	case got.Ignored != "":
		return got.Ignored
	}
	return "events"
}

// TestThePathWithoutIdentifier holds that only those who say who they are post there.
func TestThePathWithoutIdentifier(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"version 3":        {hook("chat_deactivated", `{"chat_id":"c"}`), "events"},
		"no payload":       {`{"secret_key":"s","action":"chat_deactivated"}`, "malformed"},
		"version 2":        {`{"event_type":"x","token":"t","license_id":"1"}`, "v2"},
		"app lifecycle":    {`{"applicationID":"a"}`, "app_lifecycle"},
		"our own body":     {spec(t, "webhook.request"), "missing_field"},
		"our other body":   {spec(t, "message.request"), "missing_field"},
		"nothing we know":  {`{}`, "missing_field"},
		"a word of theirs": {`{"event_type":"chat_teleported"}`, "missing_field"},
		"no JSON":          {`{"webhook_id":`, "invalid_json"},
		"an array":         {`[]`, "invalid_json"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := result(decodeOn(t, openPath, []byte(test.body), noon)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestOnlyWhatIsNotJSONIsRefused holds, for S4, the tolerant half of it: version 3 gets 400 for nothing else.
func TestOnlyWhatIsNotJSONIsRefused(t *testing.T) {
	good := hook("incoming_event", `{"chat_id":"c","event":{"id":"e","type":"message","text":"x"}}`)
	deep := func(n int) string {
		return hook("incoming_event", `{"chat_id":"c","event":{"id":"e","type":"custom","content":{"a":`+
			strings.Repeat("[", n)+strings.Repeat("]", n)+`}}}`)
	}
	var names strings.Builder
	for i := range 100_000 {
		names.WriteString(`"x` + time.Duration(i).String() + `":1,`)
	}
	tests := map[string]struct{ body, want string }{
		"good":                  {good, "events"},
		"white space around":    {" \n" + good + "\r\n\t", "events"},
		"10,001 levels":         {deep(10_001), "invalid_json"},
		"9,996 levels":          {deep(9_996), "events"},
		"10^5 names":            {strings.Replace(good, `{"id"`, `{`+names.String()+`"id"`, 1), "events"},
		"a raw control":         {strings.Replace(good, `"x"`, "\"\n\"", 1), "invalid_json"},
		"broken UTF-8":          {strings.Replace(good, `"x"`, "\"\xff\"", 1), "events"},
		"a byte-order mark":     {"\xef\xbb\xbf" + good, "invalid_json"},
		"two documents":         {good + good, "invalid_json"},
		"trailing text":         {good + " x", "invalid_json"},
		"a comma too much":      {strings.Replace(good, `"}}}`, `",}}}`, 1), "invalid_json"},
		"cut":                   {good[:len(good)-1], "invalid_json"},
		"a number nobody holds": {strings.Replace(good, `"text"`, `"odd":1e400,"text"`, 1), "events"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decodeOn(t, webhook, []byte(test.body), noon)
			if result(got, err) != test.want {
				t.Fatalf("got %s, want %s", result(got, err), test.want)
			}
			for _, e := range got.Events {
				env, err := messages.Seal(messages.DispatchRequested{Origin: e.From(), Event: seal(t, e)}, noon, "")
				if err == nil {
					_, err = env.Bytes()
				}
				if err != nil {
					t.Errorf("what was taken on cannot be handed on: %v", err)
				}
			}
		})
	}
}

func seal(t *testing.T, e messages.Event) messages.Envelope {
	t.Helper()
	env, err := messages.Seal(e, noon, "")
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// TestTheLastOfDuplicatesWinsWhole holds that nothing of the earlier member is left, however deep.
func TestTheLastOfDuplicatesWinsWhole(t *testing.T) {
	tests := map[string]struct {
		payload    string
		duplicates int
	}{
		"text":                   {`{"chat_id":"c","event":{"id":"e","type":"message","text":"first","text":"last"}}`, 1},
		"escaped name":           {`{"chat_id":"c","event":{"id":"e","type":"message","text":"first","te\u0078t":"last"}}`, 1},
		"object":                 {`{"chat_id":"c","event":{"author_id":"a@b","visibility":"agents"},"event":{"id":"e","type":"message","text":"last"}}`, 1},
		"object after a scalar":  {`{"chat_id":"c","event":7,"event":{"id":"e","type":"message","text":"last"}}`, 1},
		"null first":             {`{"chat_id":null,"chat_id":"c","event":{"id":"e","type":"message","text":"last"}}`, 1},
		"thrice":                 {`{"chat_id":1,"chat_id":2,"chat_id":"c","event":{"id":"e","type":"message","text":"last"}}`, 2},
		"a name that becomes it": {`{"chat_id":"c","event":{"id":"e","type":"message","text":"last","\ud800":1,"\ufffd":2}}`, 1},
	}
	want := messages.Message{
		ID: "e", Type: "text", Text: text("last"), Author: messages.Author{Type: "system"}, CreatedAt: "2026-03-20T12:00:00.000000Z",
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decodeOn(t, webhook, []byte(hook("incoming_event", test.payload)), noon)
			if err != nil || len(got.Events) != 1 {
				t.Fatal(got, err)
			}
			if diff := cmp.Diff(want, got.Events[0].(messages.MessageReceived).Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if got.Repaired["duplicate"] != test.duplicates {
				t.Errorf("counted %v", got.Repaired)
			}
		})
	}
}

// TestWhoWrote holds where an author's type comes from.
func TestWhoWrote(t *testing.T) {
	const users = `[{"id":"a8c1","type":"agent"},{"id":"0123456789abcdef0123456789abcdef","type":"agent"},` +
		`{"id":"person@example.com","type":"customer"}]`
	const bot = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		id, alone, among string
		guessedAmong     bool
	}{
		{"", "system", "system", false},
		{"a8c1", "visitor", "agent", false},
		{bot, "bot", "bot", false},
		{"person@example.com", "agent", "visitor", false},
		{"other@example.com", "agent", "agent", true},
		{"7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9c10", "visitor", "visitor", true},
		{"0123456789ABCDEF0123456789ABCDEG", "visitor", "visitor", true},
	}
	for _, test := range tests {
		event := `{"id":"e","type":"message","text":"x","author_id":"` + test.id + `"}`
		alone := decodeMessages(t, hook("incoming_event", `{"chat_id":"c","event":`+event+`}`))[0]
		if alone.Author.Type != test.alone || alone.AuthorGuessed != (test.id != "") {
			t.Errorf("%q alone: %+v, guessed %v", test.id, alone.Author, alone.AuthorGuessed)
		}
		among := decodeMessages(t, hook("incoming_chat", `{"chat":{"id":"c","users":`+users+`,"thread":{"id":"t","events":[`+event+`]}}}`))[0]
		if among.Author.Type != test.among || among.AuthorGuessed != test.guessedAmong {
			t.Errorf("%q among people: %+v, guessed %v", test.id, among.Author, among.AuthorGuessed)
		}
	}
}

func decodeMessages(t *testing.T, body string) []messages.Message {
	t.Helper()
	got, err := decodeOn(t, webhook, []byte(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	var found []messages.Message
	for _, e := range got.Events {
		if m, ok := e.(messages.MessageReceived); ok {
			found = append(found, m.Message)
		}
	}
	return found
}

// TestOneEventHoweverItComes holds F4's half of this package: other registrations, retries and the chat itself give an
// event the same id, or the next one after it; what happens again later gets another. Noon is where a window of revisions
// begins.
func TestOneEventHoweverItComes(t *testing.T) {
	const event = `{"id":"e","type":"message","text":"x","author_id":"a@b","created_at":"2026-03-20T09:00:00Z"}`
	const edited = `{"chat_id":"c","thread_id":"t","event":` + event + `}`
	incoming := hook("incoming_event", edited)
	chat := hook("incoming_chat", `{"chat":{"id":"c","users":[{"id":"a@b","type":"agent"}],"thread":{"id":"t","events":[`+event+`]}}}`)
	press := hook("incoming_rich_message_postback", `{"user_id":"u","chat_id":"c","event_id":"e","postback":{"id":"yes","toggled":true}}`)
	const threadless = `{"chat":{"id":"c"}}`
	status := hook("routing_status_set", `{"agent_id":"a@b","status":"accepting_chats"}`)
	tagged := hook("thread_tagged", `{"chat_id":"c","thread_id":"t","tag":"x"}`)
	tests := map[string]struct {
		a, b  string
		later time.Duration
		same  bool
	}{
		"message, other registration":     {incoming, strings.Replace(incoming, "w1", "w2", 1), 0, true},
		"message, other path of time":     {incoming, incoming, 6 * time.Hour, true},
		"edit, retry":                     {hook("event_updated", edited), hook("event_updated", edited), time.Minute, true},
		"edit, other registration":        {hook("event_updated", edited), strings.Replace(hook("event_updated", edited), "w1", "w2", 1), 0, true},
		"edit, members in another order":  {hook("event_updated", edited), hook("event_updated", `{"thread_id":"t","event":`+event+`,"chat_id":"c"}`), 0, true},
		"edit, another text":              {hook("event_updated", edited), strings.Replace(hook("event_updated", edited), `"x"`, `"y"`, 1), 0, false},
		"edit, retry in the next window":  {hook("event_updated", edited), hook("event_updated", edited), 90 * time.Second, true},
		"edit, back to the text later":    {hook("event_updated", edited), hook("event_updated", edited), 3 * time.Minute, false},
		"status, retry":                   {status, status, 90 * time.Second, true},
		"status, set again later":         {status, status, 3 * time.Minute, false},
		"tag, retry":                      {tagged, tagged, 90 * time.Second, true},
		"tag, given again later":          {tagged, tagged, 3 * time.Minute, false},
		"chat without thread, retry":      {hook("incoming_chat", threadless), hook("incoming_chat", threadless), 90 * time.Second, true},
		"unknown, retry":                  {hook("beamed", `{}`), hook("beamed", `{}`), 90 * time.Second, true},
		"unknown, again later":            {hook("beamed", `{}`), hook("beamed", `{}`), 3 * time.Minute, false},
		"removal, however told":           {hook("event_deleted", `{"chat_id":"c","event_id":"e"}`), hook("event_updated", `{"chat_id":"c","event":{"id":"e","type":"message","deleted":true}}`), time.Hour, true},
		"postback, retry":                 {press, press, time.Minute, true},
		"postback, retry in next window":  {press, press, 90 * time.Second, true},
		"postback, pressed again later":   {press, press, 3 * time.Minute, false},
		"postback, toggled back":          {press, strings.Replace(press, "true", "false", 1), time.Minute, false},
		"watermark, retry":                {hook("events_marked_as_seen", `{"chat_id":"c","user_id":"u","seen_up_to":"2026-03-20T09:00:00Z"}`), hook("events_marked_as_seen", `{"chat_id":"c","user_id":"u","seen_up_to":"2026-03-20T09:00:00Z"}`), time.Hour, true},
		"closed twice":                    {hook("chat_deactivated", `{"chat_id":"c","thread_id":"t"}`), hook("chat_deactivated", `{"chat_id":"c","thread_id":"t","user_id":"u"}`), time.Hour, true},
		"closed, the next thread":         {hook("chat_deactivated", `{"chat_id":"c","thread_id":"t"}`), hook("chat_deactivated", `{"chat_id":"c","thread_id":"t2"}`), 0, false},
		"old name of an account's action": {hook("tag_deleted", `{"name":"x"}`), hook("delete_tag", `{"name":"x"}`), 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := decodeOn(t, webhook, []byte(test.a), noon)
			if err != nil {
				t.Fatal(err)
			}
			b, err := decodeOn(t, livePath, []byte(test.b), noon.Add(test.later))
			if err != nil {
				t.Fatal(err)
			}
			first, second := withUnknown(a)[0], withUnknown(b)[0]
			if got := eventID(first) == eventID(second) || eventID(first) == messages.FormerID(second); got != test.same {
				t.Errorf("one event: %v", got)
			}
		})
	}
	in, err := decodeOn(t, webhook, []byte(incoming), noon)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := decodeOn(t, webhook, []byte(chat), noon.Add(time.Hour))
	if err != nil || len(inside.Events) != 2 || eventID(in.Events[0]) != eventID(inside.Events[1]) {
		t.Errorf("alone and in its chat: %v, %v, %v", in.Events, inside.Events, err)
	}
}

// TestChatEvents holds that a chat read from the Web API makes the very events that its webhook made.
func TestChatEvents(t *testing.T) {
	for _, version := range []string{"v3.3", "v3.4", "v3.5", "v3.6", "v3.7"} {
		body := readFile(t, version+"/incoming_chat.json")
		var sent struct {
			Payload struct {
				Chat jsontext.Value `json:"chat"`
			} `json:"payload"`
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		want, err := decodeOn(t, webhook, body, noon)
		if err != nil {
			t.Fatal(err)
		}
		got, err := livechat.ChatEvents(identity("org123", "user456", "lc-789"), sent.Payload.Chat, noon)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Events, got); diff != "" || len(got) != 7 {
			t.Errorf("%s (-webhook +chat):\n%s", version, diff)
		}
	}
	for _, bad := range []string{``, `null`, `[]`, `{}`, `{"id":""}`, `{"id":"c"`, `{"id":"c"} x`, `{"id":"` + strings.Repeat("x", 257) + `"}`} {
		var invalid *channels.Invalid
		if got, err := livechat.ChatEvents(identity("org123", "u", "lc-789"), []byte(bad), noon); !errors.As(err, &invalid) {
			t.Errorf("%.20s: %v, %v", bad, got, err)
		}
	}
}

// TestEventsTellNoSecret holds S14 for what leaves this package: credentials, registrations and where a person was stay
// in the body, whatever action or version they came with.
func TestEventsTellNoSecret(t *testing.T) {
	c := readCorpus(t)
	secrets := []string{c.SecretKey, c.WebhookID, "corpus-token", "corpus-secret", "198.51.100.23", "geolocation\":{\"country\":\"Portugal\",\"country_code\":\"PT\",\"region"}
	found := map[string]bool{}
	for _, o := range c.Bodies {
		body := readFile(t, o.Body)
		for _, secret := range secrets {
			found[secret] = found[secret] || strings.Contains(string(body), secret)
		}
		got, err := decodeOn(t, webhook, body, c.ReceivedAt)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range withUnknown(got) {
			data := string(seal(t, e).Data)
			for _, secret := range secrets {
				if strings.Contains(data, secret) {
					t.Errorf("%s: %T tells %s", o.Body, e, secret)
				}
			}
		}
	}
	for _, secret := range secrets[:5] {
		if !found[secret] {
			t.Errorf("no body holds %s, so nothing was tried", secret)
		}
	}
}

// TestErrorsOfWebhooksNeverQuote holds S14 for the one error that version 3 has.
func TestErrorsOfWebhooksNeverQuote(t *testing.T) {
	for _, path := range []string{webhook, livePath, openPath} {
		_, err := decodeOn(t, path, []byte(hook("incoming_event", `{"s3cr3t":"s3cr3t",`)), noon)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestWhatHasTheWrongTypeIsLeftOut holds that odd members cost themselves only, and that an odd visibility is not "all".
func TestWhatHasTheWrongTypeIsLeftOut(t *testing.T) {
	for _, odd := range []string{`null`, `7`, `"x"`, `[]`, `{}`, `true`, `1e400`, `[null,[],{}]`} {
		event := `{"id":"e","type":"message","text":"kept","created_at":"2026-03-20T09:00:00Z"`
		for _, member := range []string{
			"author_id", "visibility", "recipients", "deleted", "postback", "name", "url", "size", "width", "fields",
			"elements", "text_vars", "content", "version", "properties", "custom_id",
		} {
			if odd == "true" && member == "deleted" {
				continue
			}
			found := decodeMessages(t, hook("incoming_event", `{"thread_id":null,"chat_id":"c","event":`+event+`,"`+member+`":`+odd+`}}`))
			odder := member == "visibility" || member == "recipients"
			if len(found) != 1 || found[0].ID != "e" || *found[0].Text != "kept" || found[0].Internal != odder || found[0].CreatedAt != "2026-03-20T09:00:00Z" {
				t.Errorf("%s = %s: %+v", member, odd, found)
			}
		}
		for _, member := range []string{"users", "access", "properties", "is_followed"} {
			found := decodeMessages(t, hook("incoming_chat", `{"chat":{"id":"c","`+member+`":`+odd+`,"thread":{"id":"t","events":[`+event+`}]}}}`))
			if len(found) != 1 || found[0].ID != "e" {
				t.Errorf("chat: %s = %s: %+v", member, odd, found)
			}
		}
	}
}

// TestNotesAmongAgentsAreInternal holds both names of the field.
func TestNotesAmongAgentsAreInternal(t *testing.T) {
	for member, want := range map[string]bool{
		`"visibility":"agents"`: true, `"recipients":"agents"`: true, `"visibility":"all"`: false, `"recipients":"all"`: false,
		`"visibility":"all","recipients":"agents"`: true, `"x":"agents"`: false, `"visibility":"ALL"`: false, `"visibility":""`: true,
	} {
		found := decodeMessages(t, hook("incoming_event", `{"chat_id":"c","event":{"id":"e","type":"message",`+member+`}}`))
		if found[0].Internal != want {
			t.Errorf("%s: internal %v", member, found[0].Internal)
		}
	}
}
