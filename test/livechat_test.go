package test

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden histories anew")

// fetch reads a client's chat.
func (s *site) fetch(t *testing.T, c client, chat string) (int, string) {
	t.Helper()
	return post(t, s.ingress.URL+"/livechat/"+c.identifier()+"?action=fetch_messages&limit=100&chat_id="+chat, "",
		"Authorization", "Bearer "+c.token)
}

// chat gives what a client's history says of a chat, without barriers and without what differs from run to run.
func (s *site) chat(t *testing.T, c client, chat string) string {
	t.Helper()
	status, answer := s.fetch(t, c, chat)
	if status != http.StatusOK {
		return fmt.Sprint(status, " ", answer)
	}
	var page struct {
		ChatID   string           `json:"chat_id"`
		Messages []jsontext.Value `json:"messages"`
		Total    int              `json:"total"`
		HasMore  bool             `json:"hasMore"`
	}
	if err := json.Unmarshal([]byte(answer), &page); err != nil {
		t.Fatal(answer, err)
	}
	before := len(page.Messages)
	page.Messages = slices.DeleteFunc(page.Messages, func(m jsontext.Value) bool { return strings.Contains(string(m), `"id":"barrier_`) })
	page.Total -= before - len(page.Messages)
	text, err := json.Marshal(page, jsontext.WithIndent("  "))
	if err != nil {
		t.Fatal(err)
	}
	return masked(t, string(text)) + "\n"
}

var (
	changedAt   = regexp.MustCompile(`"(edited_at|deleted_at)": "[^"]*"`)
	createdAt   = regexp.MustCompile(`"created_at": "([^"]*)"`)
	postbackIDs = regexp.MustCompile(`"postback_[a-z2-7]{26}"`)
)

// masked hides the moments of receipt. Those of the corpus are older than a day.
func masked(t testing.TB, history string) string {
	t.Helper()
	history = changedAt.ReplaceAllString(history, `"$1": "(receipt)"`)
	history = postbackIDs.ReplaceAllString(history, `"postback_(receipt)"`)
	return createdAt.ReplaceAllStringFunc(history, func(field string) string {
		at, err := time.Parse(time.RFC3339Nano, createdAt.FindStringSubmatch(field)[1])
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(at) < 24*time.Hour {
			return `"created_at": "(receipt)"`
		}
		return field
	})
}

// becomes waits until what is seen is as wanted, and shows the difference when it never is.
func becomes(t *testing.T, what, want string, see func() string) {
	t.Helper()
	got := ""
	defer func() {
		if got != want {
			t.Errorf("%s (-want +got):\n%s", what, cmp.Diff(want, got))
		}
	}()
	eventually(t, what, func() bool { got = see(); return got == want })
}

// goldenHistory is what history has to say of a chat of the corpus.
func goldenHistory(t *testing.T, chat string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "livechat", chat+".history.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// livechatCorpus: everything that LiveChat documents, of every version, posted on each of the three paths by an
// organization of its own, stands in three histories that are the same to the letter. Told again through other
// registrations, eleven times at once, alone or inside its chat, and after a restart (F4) it changes nothing. Told from
// the end to the beginning, edits, removals and what was seen before their messages, it becomes the same.
func livechatCorpus(t *testing.T, s stack) {
	at := s.open(t, []string{"LIVEPIPE_ADDRESS_RATE=0"}, "history", "delivery")
	all := readCorpus(t)
	chats := all.chats(t)
	paths := []string{"/webhooks/livechat/:identifier", "/livechat/:identifier", "/webhooks/livechat"}
	clients := []client{newClient("hooks"), newClient("livechat"), newClient("one-url")}
	backwards := newClient("backwards")
	at.addClients(append(slices.Clone(clients), backwards)...)
	for i, path := range paths {
		for _, b := range all.Bodies {
			at.tell(t, path, clients[i], all, b)
		}
	}
	if *update && !s.separate {
		at.writeGoldens(t, clients[0], chats)
	}
	for i, path := range paths {
		at.holdsGoldens(t, path, clients[i], chats)
	}
	at.specExamples(t, clients[0])

	for round := range 2 {
		at.tellAgain(t, paths, clients, all, round)
		for i, path := range paths {
			at.holdsGoldens(t, fmt.Sprint(path, ", told again ", round), clients[i], chats)
		}
		at.restart()
	}

	for _, b := range slices.Backward(all.Bodies) {
		if strings.HasPrefix(b.Body, "v3.") {
			at.tell(t, paths[0], backwards, all, b)
		}
	}
	maps.DeleteFunc(chats, func(chat string, _ bool) bool { return !isVersioned.MatchString(chat) })
	at.holdsGoldens(t, "told backwards", backwards, chats)
}

// isVersioned are the chats of the versions 3.3 to 3.7.
var isVersioned = regexp.MustCompile("^PJ3[3-7]")

// specExamples: the contract's own bodies beside LiveChat's, in a history that takes both.
func (s *site) specExamples(t *testing.T, c client) {
	t.Helper()
	bearer := []string{"Authorization", "Bearer " + c.token}
	at := s.ingress.URL + "/livechat/" + c.identifier()
	post(t, s.ingress.URL+"/webhooks/livechat/"+c.identifier(), spec(t, "receive-webhook.request"), bearer...)
	post(t, at, spec(t, "receive-message.request"), bearer...)
	becomes(t, "the spec's examples", compact(t, spec(t, "fetch-messages.response")), func() string {
		_, answer := post(t, at+"?action=fetch_messages&chat_id=chat_abc123&limit=20", spec(t, "fetch-messages.request"), bearer...)
		return compact(t, answer)
	})
}

// tell posts one body and holds the answer.
func (s *site) tell(t *testing.T, path string, c client, all corpus, b corpusBody, headers ...string) {
	t.Helper()
	if err := s.told(path, c, all, b, headers...); err != nil {
		t.Error(err)
	}
}

// told is tell for goroutines.
func (s *site) told(path string, c client, all corpus, b corpusBody, headers ...string) error {
	c, body := c.of(all, b)
	status, answer, err := try(http.DefaultClient, s.ingress.URL+strings.Replace(path, ":identifier", c.identifier(), 1), body, headers...)
	if err != nil {
		return fmt.Errorf("%s on %s: %w", b.Body, path, err)
	}
	want := map[string]string{"status": "received"}
	if strings.HasPrefix(path, "/livechat/") {
		want = map[string]string{"status": "processed", "queuedAt": "T"}
	}
	if b.MessageID != "" {
		want["messageId"] = b.MessageID
	}
	if b.Ignored != "" {
		want = map[string]string{"status": "ignored"}
	}
	got := map[string]string{}
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		return fmt.Errorf("%s on %s: %d %s", b.Body, path, status, answer)
	}
	if got["queuedAt"] != "" {
		got["queuedAt"] = "T"
	}
	if strings.HasPrefix(got["messageId"], "postback_") {
		got["messageId"] = want["messageId"]
	}
	if diff := cmp.Diff(want, got); status != http.StatusOK || diff != "" {
		return fmt.Errorf("%s on %s: %d (-want +got):\n%s", b.Body, path, status, diff)
	}
	return nil
}

// holdsGoldens waits until a client's history is as the golden files say.
func (s *site) holdsGoldens(t *testing.T, what string, c client, chats map[string]bool) {
	t.Helper()
	for _, chat := range slices.Sorted(maps.Keys(chats)) {
		of := c
		if chats[chat] {
			of = *c.licensed
		}
		becomes(t, what+": the history of "+chat, goldenHistory(t, chat), func() string { return s.chat(t, of, chat) })
	}
}

// writeGoldens writes what history says once it has not changed for two seconds.
func (s *site) writeGoldens(t *testing.T, c client, chats map[string]bool) {
	t.Helper()
	for chat, licensed := range chats {
		of, before, same := c, "", 0
		if licensed {
			of = *c.licensed
		}
		eventually(t, chat+" is at rest", func() bool {
			now := s.chat(t, of, chat)
			if same++; now != before {
				before, same = now, 0
			}
			return same == 100
		})
		if err := os.WriteFile(filepath.Join("testdata", "livechat", chat+".history.json"), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tellAgain posts the messages of 3.6 through other registrations, eleven at once, each alone and inside its chat. The
// barrier that follows them in their conversation is in an ordered history only after every copy was handled.
func (s *site) tellAgain(t *testing.T, paths []string, clients []client, all corpus, round int) {
	t.Helper()
	var copies sync.WaitGroup
	for _, b := range all.Bodies {
		if !strings.HasPrefix(b.Body, "v3.6/incoming_") || b.AtReceipt {
			continue
		}
		for n := range 11 {
			again := b
			again.text = strings.ReplaceAll(b.text, all.WebhookID, fmt.Sprintf("%032x", n))
			if n%2 == 1 {
				again = again.insideItsChat(t)
			}
			i := n % len(paths)
			copies.Go(func() {
				if err := s.told(paths[i], clients[i], all, again); err != nil {
					t.Error(err)
				}
			})
		}
	}
	copies.Wait()
	for i, c := range clients {
		last := all.named(t, "v3.6/incoming_event")[0]
		last.MessageID = fmt.Sprint("barrier_", round)
		last.text = strings.ReplaceAll(last.text, "K36PKZON8A_5", last.MessageID)
		s.tell(t, paths[i], c, all, last)
		eventually(t, "the barrier stands in history", func() bool {
			_, answer := s.fetch(t, c, "PJ36MRSHTD")
			return strings.Contains(answer, last.MessageID)
		})
	}
}

// insideItsChat is a webhook incoming_chat with the event of a webhook incoming_event.
func (b corpusBody) insideItsChat(t *testing.T) corpusBody {
	t.Helper()
	var webhook map[string]jsontext.Value
	if err := json.Unmarshal([]byte(b.text), &webhook); err != nil {
		t.Fatal(err)
	}
	var told struct {
		ChatID   string         `json:"chat_id"`
		ThreadID string         `json:"thread_id"`
		Event    jsontext.Value `json:"event"`
	}
	if err := json.Unmarshal(webhook["payload"], &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Event) == 0 {
		return b
	}
	webhook["action"] = jsontext.Value(`"incoming_chat"`)
	webhook["payload"] = jsontext.Value(fmt.Sprintf(`{"chat":{"id":%q,"users":[],"thread":{"id":%q,"active":true,"created_at":"2026-03-16T09:15:00.000000Z","events":[%s]}}}`,
		told.ChatID, told.ThreadID, told.Event))
	text, err := json.Marshal(webhook, jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	b.text, b.MessageID = string(text), ""
	return b
}
