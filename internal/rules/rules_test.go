package rules

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// secret is the shortest that Standard Webhooks allows.
var secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 24)))

func environment(name string) string {
	return map[string]string{"CRM_SECRET": secret, "ARCHIVE_SECRET": secret, "DESK_SECRET": secret, "BARE": "secret", "SHORT": "whsec_c2hvcnQ=", "NOT64": "whsec_" + strings.Repeat("!", 40)}[name]
}

func load(t *testing.T, text string) (*Set, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, environment)
}

// wrote is a text message of a visitor; change makes it another.
func wrote(text string, change ...func(*messages.Message)) Facts {
	m := messages.Message{
		ID: "m1", Type: messages.MessageText, Text: &text,
		Author: messages.Author{ID: "v1", Type: "visitor"}, CreatedAt: "2026-01-02T12:00:00+01:00",
	}
	for _, c := range change {
		c(&m)
	}
	return OfMessage(messages.TypeMessageReceived, somewhere(), m)
}

func somewhere() messages.Origin {
	return messages.Origin{
		Channel: "livechat", User: "u", Chat: messages.Chat{Tenant: messages.Tenant{Org: "o", LiveChat: "l"}, ChatID: "c"},
	}
}

func names(targets []Target) []string {
	out := []string{}
	for _, target := range targets {
		out = append(out, target.Destination+" by "+target.Rule)
	}
	return out
}

func TestExampleFile(t *testing.T) {
	set, err := Load("../../examples/routes.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	byBot := func(m *messages.Message) { m.Author.Type = "bot" }
	maybeBot := func(m *messages.Message) { m.Author.Type, m.AuthorGuessed = "bot", true }
	image := func(m *messages.Message) {
		m.Text, m.Type = nil, messages.MessageFile
		m.File = &messages.File{ID: "media_1", ContentType: "image/png", Size: 2_000_000}
	}
	internal := func(m *messages.Message) { m.Internal = true }
	atNight := func(m *messages.Message) { m.CreatedAt = "2026-01-02T23:30:00+01:00" }
	tests := map[string]struct {
		facts Facts
		want  []string
	}{
		"a bot is dropped":       {wrote("order", byBot), []string{}},
		"who may be one is not":  {wrote("order", maybeBot), []string{"archive by everything-is-archived", "crm by orders", "audit by orders"}},
		"a word":                 {wrote("My ORDER is late"), []string{"archive by everything-is-archived", "crm by orders", "audit by orders"}},
		"a pattern":              {wrote("about #123456"), []string{"archive by everything-is-archived", "crm by orders", "audit by orders"}},
		"an image":               {wrote("", image), []string{"archive by everything-is-archived", "audit by large-images"}},
		"the sender's own night": {wrote("hello", atNight), []string{"archive by everything-is-archived", "crm by at-night"}},
		"only the first":         {wrote("hello"), []string{"archive by everything-is-archived"}},
		"a note among agents":    {wrote("order", internal), []string{"desk by the-desk"}},
		"an edit":                {OfEdit(messages.MessageUpdated{Message: messages.Message{Text: new(string)}}), []string{"archive by everything-is-archived"}},
		"a transfer":             {OfConversation(messages.ConversationUpdated{Change: messages.ChatTransferred, GroupIDs: []int64{5}}, false), []string{"archive by everything-is-archived", "desk by the-desk"}},
		"a transfer elsewhere":   {OfConversation(messages.ConversationUpdated{Change: messages.ChatTransferred, GroupIDs: []int64{6}}, false), []string{"archive by everything-is-archived"}},
		"a tag":                  {OfConversation(messages.ConversationUpdated{Change: messages.ThreadTagged, Tag: "vip"}, false), []string{"archive by everything-is-archived", "crm by vip"}},
		"something unknown":      {OfUnknown(messages.UnknownReceived{}), []string{"archive by everything-is-archived", "audit by what-livepipe-does-not-know", "desk by what-livepipe-does-not-know"}},
		"unknown, maybe a note":  {OfUnknown(messages.UnknownReceived{Internal: true}), []string{"desk by what-livepipe-does-not-know"}},
		"a summary":              {OfConversation(messages.ConversationUpdated{Change: messages.ThreadSummarySet}, false), []string{"desk by the-desk"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := set.Route(tt.facts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, names(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if !set.Asks(messages.TypeUnknownReceived) {
		t.Error("the example does not ask for what is unknown")
	}
	crm, ok := set.Destination("crm")
	if !ok || crm.URL.Host != "crm.example.com" || crm.Timeout.String() != "5s" || crm.Signer == nil {
		t.Errorf("crm is %+v", crm)
	}
}

func TestRoute(t *testing.T) {
	const places = "destinations:\n  a: {type: log}\n  b: {type: log}\nrules:\n"
	rule := func(name, when, to, more string) string {
		return fmt.Sprintf("  - {name: %s, when: '%s', to: [%s]%s}\n", name, when, to, more)
	}
	const goesOn = ", continue: true"
	tests := map[string]struct {
		file string
		want []string
	}{
		"an empty file logs everything": {"", []string{"log by "}},
		"no rule logs everything":       {"destinations:\nrules:\n", []string{"log by "}},
		"no match goes to the log":      {places + rule("r", "false", "a", ""), []string{"log by "}},
		"the first match ends":          {places + rule("r", "true", "a", "") + rule("s", "true", "b", ""), []string{"a by r"}},
		"continue goes on":              {places + rule("r", "true", "a", goesOn) + rule("s", "true", "b", ""), []string{"a by r", "b by s"}},
		"each destination once":         {places + rule("r", "true", "a, a", goesOn) + rule("s", "true", "a, b", ""), []string{"a by r", "b by s"}},
		"drop stops what comes after":   {places + rule("r", "true", "a", goesOn) + rule("s", "true", "drop", ""), []string{"a by r"}},
		"a bare true is a condition":    {places + "  - {name: r, when: true, to: [a]}\n", []string{"a by r"}},
		"every fact has its name": {places + rule("r",
			`type + channel + org + livechat + user + chat_id + message.id + message.type + author.id + author.type ==`+
				` "livechat.message.received.v1livechatoluc`+`m1textv1visitor" and file.id + file.name + file.content_type + file.extension == "" and file.size == 0`,
			"a", ""), []string{"a by r"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, err := load(t, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := set.Route(wrote("hello"))
			if diff := cmp.Diff(tt.want, names(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestDefaultLogsEverything(t *testing.T) {
	for _, set := range []*Set{Default(), must(Load("", environment))} {
		got, err := set.Route(wrote("hello"))
		if diff := cmp.Diff([]Target{{Destination: Log}}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

func must(s *Set, err error) *Set {
	if err != nil {
		panic(err)
	}
	return s
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	const file = `destinations:
  crm: {type: webhook, url: "http://user:hunter2@crm.example.com/x?key=hunter2", secret_env: MISSING}
  log: {type: log}
  Up: {type: log}
  odd: {type: email}
  bare: {type: webhook, url: "https://a.example", secret_env: BARE}
  short: {type: webhook, url: "https://a.example", secret_env: SHORT}
  not64: {type: webhook, url: "https://a.example", secret_env: NOT64}
  both: {type: webhook, url: "https://a.example", secret_env: CRM_SECRET, secret_file: x}
  file: {type: webhook, url: "ftp://a.example", secret_file: nowhere}
  typo: {type: log, ulr: x}
  slow: {type: webhook, url: "https://a.example", secret_env: CRM_SECRET, timeout: 1m}
  extra: {type: log, url: "https://a.example"}
rules:
  - name: one
    when: mesage.text == "x"
    to: [crm]
  - name: one
    when: message.text
    to: [nowhere]
  - when: "true"
    to: []
  - name: two
    whne: "true"
  - name: three
    to: [drop, crm]
    continue: true
more: 1
`
	want := []string{
		`2: destination "crm": url is http, so that anybody on the way can read it: use https, or set insecure: true`,
		`2: destination "crm": the environment variable MISSING is not set: put the secret there`,
		`3: destination "log": "log" is built in: choose another name`,
		`4: destination "Up": a name has 1 to 63 of a-z, 0-9, _ and -, and starts with a letter or digit`,
		`5: destination "odd": unknown type "email": write webhook, log or drop`,
		`6: destination "bare": the secret in BARE has not the form whsec_ and the base64 of 24 to 64 random bytes`,
		`7: destination "short": the secret in SHORT has not the form whsec_ and the base64 of 24 to 64 random bytes`,
		`8: destination "not64": the secret in NOT64 is not base64 after whsec_`,
		`9: destination "both": set secret_env or secret_file, one of them`,
		`10: destination "file": url is not an absolute https URL`,
		`10: destination "file": read secret_file`,
		`11: destination "typo": unknown field "ulr"`,
		`12: destination "slow": timeout has to be more than 0 and at most 25s`,
		`13: destination "extra": type log takes no other setting than internal: remove them`,
		`15: rule "one": when, column 1: unknown name mesage`,
		`18: rule "one": the name is taken by the rule in line 15: choose another`,
		`18: rule "one": when: expected bool, but got string`,
		`18: rule "one": unknown destination "nowhere": known are Up, bare, both, crm, drop, extra, file, log, not64, odd, short, slow, typo`,
		`21: rule 3: name is missing`,
		`21: rule "3": to is missing: list destinations`,
		`24: rule 4: unknown field "whne"`,
		`25: rule "three": when is missing: write a condition, or true`,
		`25: rule "three": drop stands alone and ends the list`,
		`28: unknown key "more": known are destinations and rules`,
	}
	_, err := load(t, file)
	if err == nil {
		t.Fatal("a file full of problems was accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range max(len(lines), len(want)) {
		got, expected := "nothing", "nothing"
		if i < len(lines) {
			_, got, _ = strings.Cut(lines[i], "routes.yaml:")
		}
		if i < len(want) {
			expected = want[i]
		}
		if !strings.HasPrefix(got, expected) {
			t.Errorf("problem %d\n got %s\nwant %s", i, got, expected)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), secret) {
		t.Errorf("an error shows a secret:\n%s", err)
	}
}

func TestBrokenFiles(t *testing.T) {
	tests := map[string]struct{ file, want string }{
		"no YAML":               {"rules:\n  - {", ":2: "},
		"a list":                {"- a\n", "has to hold destinations: and rules:"},
		"rules are no list":     {"rules: {}\n", ":1: rules has to be a list"},
		"no map of names":       {"destinations: [a]\n", ":1: destinations has to map names to settings"},
		"a key twice":           {"rules: []\nrules: []\n", ":2: "},
		"two documents":         {"rules: []\n---\nrules: []\n", "a second YAML document"},
		"to is no list":         {"rules:\n  - {name: a, when: 'true', to: log}\n", ":2: rule 1: "},
		"timeout is no time":    {"destinations:\n  a: {type: webhook, timeout: soon}\n", `:2: destination "a": `},
		"a rule is null":        {"rules:\n  -\n", ":2: rule 1: null was used where mapping is expected"},
		"a destination is null": {"destinations:\n  a:\n", `:2: destination "a": null was used where mapping is expected`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml"), environment); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there gives %v", err)
	}
}

func TestHTTPOnlyWhereNobodyListens(t *testing.T) {
	tests := map[string]bool{
		"https://a.example":        true,
		"http://a.example":         false,
		"http://127.0.0.1:9000/x":  true,
		"http://[::1]:9000":        true,
		"http://localhost:9000":    true,
		"http://localhost.example": false,
		"http://10.0.0.1":          false,
	}
	for url, allowed := range tests {
		_, err := load(t, "destinations:\n  a: {type: webhook, secret_env: CRM_SECRET, url: '"+url+"'}\n")
		if (err == nil) != allowed {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := load(t, "destinations:\n  a: {type: webhook, insecure: true, secret_env: CRM_SECRET, url: '"+url+"'}\n"); err != nil {
			t.Errorf("%s, insecure: %v", url, err)
		}
	}
}

func TestSecretFileStandsBesideTheRules(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "routes.yaml")
	for name, text := range map[string]string{
		path: "destinations:\n  a: {type: webhook, url: 'https://a.example', secret_file: a.secret}\n", filepath.Join(dir, "a.secret"): secret + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := Load(path, environment)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := set.Destination("a")
	for _, shown := range []string{fmt.Sprint(a), fmt.Sprintf("%+v", a), fmt.Sprintf("%#v", a)} {
		if shown != "a (webhook)" {
			t.Errorf("a destination prints as %s", shown)
		}
	}
}

func TestCostlyConditionsAreRefused(t *testing.T) {
	tests := map[string]string{
		"a range":              "message.id in 1..1000000000",
		"a loop":               "all([1, 2], # > 0)",
		"a growing variable":   `let a = message.text + message.text; a == ""`,
		"a pattern of theirs":  "message.text matches message.text",
		"repetition":           `repeat("x", 1000000000) == ""`,
		"the clock":            "now() > message.created_at",
		"too many nodes":       "true" + strings.Repeat(" or not true", 400),
		"too long":             `message.text == "` + strings.Repeat("x", 5000) + `"`,
		"another fact's field": "message.secret == 1",
	}
	for name, when := range tests {
		if _, err := compile(when); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestAFailingConditionNamesTheRuleAndQuotesNothing(t *testing.T) {
	set, err := load(t, "rules:\n  - {name: ages, when: 'int(message.text) > 18', to: [log]}\n")
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Route(wrote("my card is 4111"))
	var final *messages.PermanentError
	var speaker slog.LogValuer
	if !errors.As(err, &final) || final.Reason != messages.ReasonRefused || !errors.As(err, &speaker) {
		t.Fatalf("error %v", err)
	}
	for _, text := range []string{err.Error(), speaker.LogValue().String()} {
		if !strings.Contains(text, `rule "ages"`) || strings.Contains(text, "4111") {
			t.Errorf("error says %s", text)
		}
	}
}
