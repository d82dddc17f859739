package test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// corpusDir has what LiveChat may send, written by the channel's own tests; see index.json there.
const corpusDir = "../channels/livechat/testdata/livechat"

// corpus is the index of the corpus: bodies in the order of a story that can be posted as it is.
type corpus struct {
	WebhookID      string       `json:"webhook_id"`
	SecretKey      string       `json:"secret_key"`
	OrganizationID string       `json:"organization_id"`
	LicenseID      string       `json:"license_id"` // of the bodies of 3.3 and older
	Bodies         []corpusBody `json:"bodies"`
}

type corpusBody struct {
	Body      string   `json:"body"`
	Ignored   string   `json:"ignored"`
	MessageID string   `json:"message_id"`
	AtReceipt bool     `json:"at_receipt"` // ids hold the moment of receipt
	Events    []string `json:"events"`
	text      string
}

func readCorpus(t testing.TB) corpus {
	t.Helper()
	var c corpus
	readJSON(t, filepath.Join(corpusDir, "index.json"), &c)
	for i := range c.Bodies {
		text, err := os.ReadFile(filepath.Join(corpusDir, c.Bodies[i].Body))
		if err != nil {
			t.Fatal(err)
		}
		c.Bodies[i].text = string(text)
	}
	return c
}

func readJSON(t testing.TB, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// chats are the conversations that the bodies have a message in, each with whether bodies of 3.3 name it.
func (c corpus) chats(t testing.TB) map[string]bool {
	t.Helper()
	chats := map[string]bool{}
	for _, b := range c.Bodies {
		var events []struct {
			Data struct {
				ChatID  string         `json:"chat_id"`
				Message jsontext.Value `json:"message"`
			} `json:"data"`
		}
		readJSON(t, filepath.Join(corpusDir, strings.TrimSuffix(b.Body, ".json")+".events.json"), &events)
		for _, e := range events {
			if len(e.Data.Message) > 0 {
				chats[e.Data.ChatID] = b.isLicensed()
			}
		}
	}
	return chats
}

// isLicensed tells bodies that name a licence in place of the organization that came after it.
func (b corpusBody) isLicensed() bool { return strings.Contains(b.text, `"license_id"`) }

// named finds bodies by their names.
func (c corpus) named(t testing.TB, names ...string) []corpusBody {
	t.Helper()
	var some []corpusBody
	for _, name := range names {
		i := slices.IndexFunc(c.Bodies, func(b corpusBody) bool { return b.Body == name+".json" })
		if i < 0 {
			t.Fatalf("the corpus has no %s", name)
		}
		some = append(some, c.Bodies[i])
	}
	return some
}

// client is one customer of livepipe: an organization of LiveChat's with a secret of its own. Licensed is the same
// customer in the days of 3.3, when bodies named a licence.
type client struct {
	org, organization, secret, token string
	signing                          string // none when empty
	origin                           string // of its own; the process's when empty
	licensed                         *client
}

func newClient(org string) client {
	made := func(org string) client {
		return client{org: org, organization: "organization-" + org, secret: "secret-of-" + org, token: "lp_" + strings.Repeat("t", 24) + org}
	}
	c, licensed := made(org), made(org+"-33")
	licensed.organization = fmt.Sprint(7_000_000 + len(org)*1000 + int(org[0]))
	c.licensed = &licensed
	return c
}

func (c client) identifier() string {
	return base64.StdEncoding.EncodeToString([]byte(c.org + ":user456:lc-789"))
}

// record is the client's account in an import file.
func (c client) record() string {
	signing := ""
	if c.signing != "" {
		signing = fmt.Sprintf(`,"signing_secrets":[{"secret":%q}]`, c.signing)
	}
	limits := ""
	if c.origin != "" {
		limits = fmt.Sprintf(`,"limits":{"origins":[%q]}`, c.origin)
	}
	return fmt.Sprintf(`{"org":%q,"livechat":"lc-789","organization_id":%q,"tokens":[{"token":%q}],"secret_keys":[{"secret":%q}]%s%s}`+"\n",
		c.org, c.organization, c.token, c.secret, signing, limits)
}

// of makes a body of the corpus one of the client's.
func (c client) of(all corpus, b corpusBody) (client, string) {
	if b.isLicensed() && c.licensed != nil {
		c = *c.licensed
	}
	body := strings.ReplaceAll(b.text, all.SecretKey, c.secret)
	body = regexp.MustCompile(`("organization_id": ?)"`+all.OrganizationID+`"`).ReplaceAllString(body, `$1"`+c.organization+`"`)
	return c, regexp.MustCompile(`("license_id": ?"?)`+all.LicenseID).ReplaceAllString(body, "${1}"+c.organization)
}

// addClients makes the accounts of clients.
func (s *site) addClients(clients ...client) {
	s.t.Helper()
	var records strings.Builder
	for _, c := range clients {
		records.WriteString(c.record())
		if c.licensed != nil {
			records.WriteString(c.licensed.record())
		}
	}
	file := filepath.Join(s.t.TempDir(), "accounts.jsonl")
	if err := os.WriteFile(file, []byte(records.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if out, errs, code := command(s.t, s.env, "account", "import", file); code != 0 {
		s.t.Fatalf("account import: exit %d\n%s%s", code, out, errs)
	}
}
