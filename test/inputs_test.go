package test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// hooks is LiveChat's one URL for many organisations.
const hooks = "POST /webhooks/livechat"

// v3 is a webhook of LiveChat's with any JSON as its text.
func v3(id, text string) string {
	return `{"webhook_id":"w","secret_key":"` + marker + `","action":"incoming_event","organization_id":"o","payload":{"chat_id":"chat_v3","thread_id":"T",` +
		`"event":{"id":"` + id + `","type":"message","text":` + text + `,"author_id":"7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9c10","created_at":"2026-03-02T09:15:04.120301Z"}}}`
}

// oddWebhooks are LiveChat's own bodies. Whatever can be read is taken, or LiveChat would send it again and drop it.
func oddWebhooks() []attack {
	body := func(name, body, want string) attack {
		return attack{"webhook " + name, raw(receive, body, typeJSON), want}
	}
	text := `"` + marker + `"`
	in := func(member string) string {
		return strings.Replace(v3("odd", text), `"payload":`, member+`,"payload":`, 1)
	}
	var keys strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&keys, `,"%d":0`, i)
	}
	return []attack{
		body("as documented", v3("v3_1", text), "200"),
		body("with unknown members", in(`"`+marker+`":{"a":[1,2,{}]}`), "200"),
		body("with 90,000 unknown members", in(`"x":0`+keys.String()), "200"),
		body("with a name twice", strings.Replace(v3("v3_2", text), `"text":`, `"text":1,"text":`, 1), "200"),
		body("with 1e400", in(`"x":1e400`), "200"),
		body("with 1e400 for a text", v3("v3_3", "1e400"), "200"),
		body("with a lone surrogate", v3("v3_4", `"`+marker+`\ud800"`), "200"),
		body("with bytes that are no UTF-8", v3("v3_5", `"`+marker+"\xff\""), "200"),
		body("with a NUL in a text", v3("v3_6", `"`+marker+`\u0000"`), "200"),
		body("with a NUL in an id", v3(`v3\u0000`, text), "200"),
		body("with a text of 100 KiB", v3("v3_7", `"`+marker+strings.Repeat("x", 100<<10)+`"`), "200"),
		body("with a time that is none", strings.Replace(v3("v3_8", text), "2026-03-02T09:15:04.120301Z", marker, 1), "200"),
		body("with a payload that is a text", `{"webhook_id":"w","action":"incoming_event","payload":`+text+`}`, "200"),
		body("with a payload that is null", `{"webhook_id":"w","action":"incoming_event","payload":null}`, "200"),
		body("of an action to come", `{"webhook_id":"w","action":`+text+`,"payload":{}}`, "200"),
		body("with an array for an action", `{"webhook_id":"w","action":[`+text+`],"payload":{}}`, "200"),
		body("10,001 deep", in(`"x":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)), "400 invalid_json"),
		body("with a bare NUL", v3("v3_9", "\"\x00\""), "400 invalid_json payload.event.text"),
		body("cut", v3("v3_9", text)[:200], "400 invalid_json payload.event.text"),
		body("and text", v3("v3_9", text)+marker, "400 invalid_json"),
		body("and another document", v3("v3_9", text)+v3("v3_9", text), "400 invalid_json"),
		body("after a byte-order mark", "\ufeff"+v3("v3_9", text), "400 invalid_json"),
		body("in an array", "["+v3("v3_9", text)+"]", "400 invalid_json"),
		{"webhook that is too large", raw(receive, in(`"x":"`+strings.Repeat("x", 1<<20)+`"`), typeJSON), "413 payload_too_large"},
	}
}

// onOneURL are requests to the URL that all organisations share: the checks before credentials are those of every path.
func onOneURL() []attack {
	body := v3("m", `"`+marker+`"`)
	try := func(name, line, body, want string, headers ...string) attack {
		return attack{"one URL, " + name, raw(line, body, append([]string{typeJSON}, headers...)...), want}
	}
	return []attack{
		try("nobody's secret", hooks, body, "401 unauthorized"),
		try("no JSON", hooks, "{"+marker, "401 unauthorized"),
		try("nothing", hooks, "", "401 unauthorized"),
		try("10,001 deep", hooks, strings.Repeat(`{"a":`, 10_001), "401 unauthorized"),
		try("no organization", hooks, strings.Replace(body, `"organization_id":"o",`, "", 1), "401 unauthorized"),
		try("an organization of 4 KB", hooks, strings.Replace(body, `"organization_id":"o"`, `"organization_id":"`+strings.Repeat("o", 4<<10)+`"`, 1), "401 unauthorized"),
		try("an organization that is an object", hooks, strings.Replace(body, `"organization_id":"o"`, `"organization_id":{"`+marker+`":1}`, 1), "401 unauthorized"),
		try("too large", hooks, strings.Repeat(" ", 2<<20), "413 payload_too_large"),
		try("declared too large", hooks, "", "413 payload_too_large", "Content-Length: 2000000"),
		try("10,000 headers", hooks, body, "431", slices.Repeat([]string{"X-A: " + marker}, 10_000)...),
		try("compressed", hooks, "\x1f\x8b\x08"+strings.Repeat("\x00", 1000), "401 unauthorized", "Content-Encoding: gzip"),
		try("GET", "GET /webhooks/livechat", "", "401 unauthorized"),
		{"one URL, foreign preflight", raw("OPTIONS /webhooks/livechat", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"), "403 origin_not_allowed"},
		{"one URL, preflight", raw("OPTIONS /webhooks/livechat", "", "Origin: https://app.example.com", "Access-Control-Request-Method: POST"), "200"},
	}
}

// TestOddWebhooks holds S4 and S5 for LiveChat's own bodies on the wire.
func TestOddWebhooks(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_LOG_LEVEL=debug"}, "serve")
	for _, a := range slices.Concat(oddWebhooks(), onOneURL()) {
		a.check(t, ask(t, p, a.raw))
	}
	_, _, metrics := get(t, p.Admin+"/metrics")
	if _, after, found := strings.Cut(metrics, marker); found {
		t.Errorf("what was sent is in the metrics, then %.300q", after)
	}
	for _, word := range []string{marker, "panic", "goroutine ", "level=ERROR", "http: "} {
		if _, after, found := strings.Cut(p.printed(), word); found {
			t.Errorf("%q is in the log, then %.300q", word, after)
		}
	}
}

var (
	codeWord = regexp.MustCompile(`^[a-z_]+$`) // such as a property with the name of an action
	address  = regexp.MustCompile(`[a-z0-9.]+@[a-z0-9.]+`)
	private  = map[string]bool{
		"text": true, "name": true, "email": true, "label": true, "answer": true, "secret_key": true, "token": true, "title": true, "subtitle": true,
		"phone_number": true, "ip": true, "user_agent": true, "author_name": true, "url": true, "alternative_text": true,
	}
)

// privateWords are what people wrote, who they are, and every secret of the corpus, as far as a word is long enough to
// be nobody else's.
func privateWords(t *testing.T, all corpus) []string {
	t.Helper()
	words := map[string]bool{all.SecretKey: true}
	for _, b := range all.Bodies {
		for _, word := range address.FindAllString(b.text, -1) {
			words[word] = true
		}
		d := jsontext.NewDecoder(strings.NewReader(b.text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		for name := ""; ; {
			token, err := d.ReadToken()
			if err != nil {
				break
			}
			if kind, length := d.StackIndex(d.StackDepth()); kind == '{' && length%2 == 1 {
				name = token.String()
			} else if token.Kind() == '"' && private[name] && len(token.String()) > 7 && !codeWord.MatchString(token.String()) {
				words[token.String()] = true
			}
		}
	}
	list := make([]string, 0, len(words))
	for word := range words {
		list = append(list, word)
	}
	if len(list) < 30 {
		t.Fatalf("only %q", list)
	}
	return list
}

// TestNothingOfTheCorpusLeaks holds S14 for what LiveChat sends: with debug logs, rules that fail, a destination that is
// dead, strangers and a corpus that is posted twice, no log line, metric or list of dead letters has a word of anybody.
func TestNothingOfTheCorpusLeaks(t *testing.T) {
	t.Parallel()
	rules := writeFile(t, "routes.yaml", `
destinations:
  dead: {type: webhook, url: "http://127.0.0.1:1/hook", secret_env: TEST_SECRET, internal: true}
  told: {type: log, internal: true}
rules:
  - {name: unknown, when: 'type == "livechat.unknown.v1"', to: [told, dead]}
  - {name: breaks, when: 'message.type == "rich_message" and int(author.id) > 0', to: [told]}
  - {name: all, when: 'true', to: [told, dead]}
`)
	at := stacks[0].open(t, []string{
		"LIVEPIPE_ROUTES=" + rules, "LIVEPIPE_LOG_LEVEL=debug", "TEST_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "LIVEPIPE_ADDRESS_RATE=0",
	})
	all := readCorpus(t)
	c := newClient("private")
	c.secret, c.licensed.secret = all.SecretKey, all.SecretKey
	at.addClients(c)
	for _, path := range []string{"/livechat/:identifier", "/webhooks/livechat"} {
		for _, b := range all.Bodies {
			at.tell(t, path, c, all, b)
		}
	}
	for _, b := range all.named(t, "v3.6/incoming_chat", "v3.6/incoming_event") { // with credentials that are not valid
		post(t, at.ingress.URL+"/webhooks/livechat/"+newClient("stranger").identifier(), b.text, "Authorization", "Bearer "+all.SecretKey)
	}
	answers := map[string]string{}
	eventually(t, "the dead letters of the rule that breaks are listed", func() bool {
		out, _, _ := command(t, at.env, "dlq", "list")
		answers["dead letters"] = out
		return strings.Contains(out, "routing")
	})
	eventually(t, "the events were routed", func() bool {
		_, _, answers["metrics"] = get(t, at.ingress.Admin+"/metrics")
		return strings.Contains(answers["metrics"], `livepipe_worker_backlog_events{worker="routing"} 0`)
	})
	answers["log"] = at.ingress.printed()
	for _, word := range privateWords(t, all) {
		for where, shown := range answers {
			if i := strings.Index(shown, word); i >= 0 {
				t.Errorf("%q is in the %s: …%s…", word, where, shown[max(0, i-200):min(len(shown), i+100)])
			}
		}
	}
}

// TestGuessingOnTheWire holds S16: whoever guesses is slowed down, by address whatever is guessed, and by identifier
// where credentials are; the sender whose identifier it is notices nothing.
func TestGuessingOnTheWire(t *testing.T) {
	t.Parallel()
	at := stacks[0].open(t, []string{"LIVEPIPE_TRUSTED_PROXIES=127.0.0.0/8", "LIVEPIPE_ADDRESS_RATE=1"})
	c := newClient("guessed")
	at.addClients(c)
	client := &http.Client{Transport: &http.Transport{}, Timeout: limit}
	defer client.CloseIdleConnections()
	from := func(address, method, path, body string, headers ...string) *http.Response {
		req, err := http.NewRequest(method, at.ingress.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, "Content-Type", "application/json", "X-Forwarded-For", address)
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var rest bytes.Buffer
		_, _ = rest.ReadFrom(resp.Body)
		resp.Body.Close()
		return resp
	}
	path := "/livechat/" + c.identifier()
	good := func() {
		t.Helper()
		for range 3 {
			if resp := from("203.0.113.1", http.MethodPost, path, said("m", `"t"`), "Authorization", "Bearer "+c.token); resp.StatusCode != http.StatusOK {
				t.Errorf("the good sender: %d", resp.StatusCode)
			}
		}
	}
	// Credentials: other addresses, one identifier.
	statuses := map[int]int{}
	for i := range 100 {
		resp := from(fmt.Sprintf("198.51.%d.%d", i/50, i), http.MethodPost, path, said("m", `"t"`), "Authorization", "Bearer lp_"+rand.Text())
		statuses[resp.StatusCode]++
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		if i%10 == 0 {
			good()
		}
	}
	if statuses[401] < 20 || statuses[429] == 0 || len(statuses) != 2 {
		t.Errorf("100 guesses of a token: %v", statuses)
	}
	// Files and identifiers: one address, at most the burst of 4,000 and what the rate adds meanwhile.
	began := time.Now()
	for _, guess := range []func() *http.Response{
		func() *http.Response {
			return from("192.0.2.7", http.MethodGet, "/media/media_"+rand.Text()+".png", "")
		},
		func() *http.Response {
			id := base64.RawURLEncoding.EncodeToString([]byte("a:b:" + rand.Text()))
			return from("192.0.2.8", http.MethodPost, "/livechat/"+id+"?action=fetch_messages&chat_id=c", "")
		},
	} {
		n := 1
		for guess().StatusCode != http.StatusTooManyRequests {
			if n++; n > 4000+2*int(time.Since(began).Seconds()+1) {
				t.Errorf("%d guesses by one address", n)
				break
			}
		}
		t.Logf("slowed after %d guesses", n)
	}
	good()
}

// TestSameIDWithOtherWords holds S3 on the wire: what came first stays. A signed request is good once and for five
// minutes; the same id with another body is refused, or, where LiveChat signs nothing, logged with its ids.
func TestSameIDWithOtherWords(t *testing.T) {
	t.Parallel()
	at := stacks[0].open(t, nil)
	c := newClient("replayed")
	c.licensed, c.signing = nil, "whsec_"+base64.StdEncoding.EncodeToString([]byte(rand.Text()+rand.Text()))
	at.addClients(c)
	url, first, other := at.ingress.URL+"/livechat/"+c.identifier(), said("m", `"first"`), said("m", `"`+marker+`"`)
	for _, w := range []struct {
		name, id, signed, sent string
		ago                    time.Duration
		want                   int
	}{
		{"first", "wh_1", first, first, 0, 200},
		{"again", "wh_1", first, first, 0, 200},
		{"signed for another body", "wh_2", first, other, 0, 401},
		{"same id, another body", "wh_1", other, other, 0, 409},
		{"after the tolerance", "wh_3", first, first, 6 * time.Minute, 401},
		{"before the tolerance", "wh_4", first, first, -6 * time.Minute, 401},
		{"other words under another id", "wh_5", other, other, 0, 200},
	} {
		if status, answer := post(t, url, w.sent, signed(w.id, c.signing, w.signed, time.Now().Add(-w.ago))...); status != w.want {
			t.Errorf("%s: %d %s, want %d", w.name, status, answer, w.want)
		}
	}
	eventually(t, "the conflict is counted", func() bool {
		_, _, metrics := get(t, at.ingress.Admin+"/metrics")
		return strings.Contains(metrics, "livepipe_history_conflicts_total 1")
	})
	if _, answer := at.fetch(t, c, "chat_abc123"); !strings.Contains(answer, `"first"`) || strings.Contains(answer, marker) {
		t.Errorf("the first words did not stay: %s", answer)
	}
	if log := at.ingress.printed(); strings.Contains(log, marker) || !strings.Contains(log, "wh_1") {
		t.Errorf("the log names no ids, or words:\n%s", log)
	}
}
