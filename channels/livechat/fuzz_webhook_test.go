package livechat_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/messages"
)

// FuzzLiveChatBody posts anything to either path and holds what the decoder of LiveChat's own bodies promises.
func FuzzLiveChatBody(f *testing.F) {
	for _, o := range readCorpus(f).Bodies {
		f.Add(readFile(f, o.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		body, secret := plantSecret(body)
		was := bytes.Clone(body)
		got, err := decodeOn(t, webhook, body, noon)
		if !bytes.Equal(body, was) {
			t.Fatal("changed the body, which is ingress's")
		}
		again, errAgain := decodeOn(t, livePath, body, noon)
		if err != nil {
			if result(got, err) == "" {
				t.Fatal(err)
			}
			return
		}
		holdReceived(t, got)
		for _, e := range withUnknown(got) {
			holdEvent(t, e, secret)
		}
		if errAgain == nil && got.Ignored != "unknown_event" && again.Ignored != "unknown_event" {
			if diff := cmp.Diff(got.Events, again.Events); diff != "" && isV3(body) {
				t.Errorf("the second time, on the other path (-first +second):\n%s", diff)
			}
		}
	})
}

// FuzzChatEvents reads anything as a chat of the Web API.
func FuzzChatEvents(f *testing.F) {
	for _, o := range readCorpus(f).Bodies {
		var sent struct {
			Payload struct {
				Chat jsontext.Value `json:"chat"`
			} `json:"payload"`
		}
		if json.Unmarshal(readFile(f, o.Body), &sent) == nil && sent.Payload.Chat != nil {
			f.Add([]byte(sent.Payload.Chat))
		}
	}
	f.Fuzz(func(t *testing.T, chat []byte) {
		id := identity("org123", "user456", "lc-789")
		got, err := livechat.ChatEvents(id, chat, noon)
		if err != nil {
			if len(got) > 0 || result(channels.Received{}, err) == err.Error() {
				t.Fatalf("%v with %d events", err, len(got))
			}
			return
		}
		if len(got) == 0 || got[0].Type() != messages.TypeConversationUpdated {
			t.Fatal("no opening")
		}
		for _, e := range got {
			holdEvent(t, e, "")
		}
		if again, err := livechat.ChatEvents(id, chat, noon); err != nil || !cmp.Equal(got, again) {
			t.Error("another outcome the second time")
		}
	})
}

// FuzzCredentials looks at anything that anybody may post.
func FuzzCredentials(f *testing.F) {
	for _, o := range readCorpus(f).Bodies {
		f.Add(readFile(f, o.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := livechat.Channel().Credentials(body)
		if len(c.Secret) > 1024 || len(c.Organization) > 256 || len(c.Webhook) > 256 {
			t.Errorf("too long: %d, %d, %d bytes", len(c.Secret), len(c.Organization), len(c.Webhook))
		}
		if !storable(c.Organization) || !storable(c.Webhook) {
			t.Errorf("no store could look up %q and %q", c.Organization, c.Webhook)
		}
		if c != livechat.Channel().Credentials(body) {
			t.Error("another outcome the second time")
		}
		// What any other reader takes for a body, it reads as any other reader does.
		var strict struct {
			Secret string `json:"secret_key"`
		}
		if json.Unmarshal(body, &strict) == nil && len(strict.Secret) <= 1024 && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && strict.Secret != c.Secret {
			t.Errorf("secret %q, want %q", c.Secret, strict.Secret)
		}
	})
}

// plantSecret puts a word that is nowhere else into secret_key, so that it can be looked for in every event.
func plantSecret(body []byte) ([]byte, string) {
	var root map[string]jsontext.Value
	if json.Unmarshal(body, &root) != nil || root["secret_key"] == nil {
		return body, ""
	}
	secret := "planted-secret"
	for n := 0; bytes.Contains(body, []byte(secret)); n++ {
		secret = fmt.Sprintf("planted-secret-%d", n)
	}
	root["secret_key"] = jsontext.Value(`"` + secret + `"`)
	planted, err := json.Marshal(root, json.Deterministic(true))
	if err != nil {
		return body, ""
	}
	return planted, secret
}

func isV3(body []byte) bool {
	var root map[string]jsontext.Value
	return json.Unmarshal(body, &root) == nil && root["webhook_id"] != nil && root["action"] != nil && root["payload"] != nil
}

func withUnknown(got channels.Received) []messages.Event {
	if got.Unknown == nil {
		return got.Events
	}
	return append(slices.Clone(got.Events), got.Unknown)
}

func holdReceived(t *testing.T, got channels.Received) {
	t.Helper()
	if !slices.Contains([]string{"", "v2", "app_lifecycle", "unknown_action", "malformed", "unknown_event"}, got.Ignored) {
		t.Errorf("ignored %q", got.Ignored)
	}
	if (got.Ignored != "") != (len(got.Events) == 0) || (got.Ignored != "") != (got.Unknown != nil) {
		t.Errorf("ignored %q with %d events", got.Ignored, len(got.Events))
	}
	for word, n := range got.Repaired {
		if !slices.Contains([]string{"replaced", "duplicate", "dropped", "unread", "private"}, word) || n <= 0 {
			t.Errorf("repaired %q %d times", word, n)
		}
	}
	if _, err := json.Marshal(got.Reply(noon)); err != nil {
		t.Error(err)
	}
}

// holdEvent wants an event that every store and bus can take: named, bounded, readable again, and silent about secrets.
func holdEvent(t *testing.T, e messages.Event, secret string) {
	t.Helper()
	o := e.From()
	if o.Channel != "livechat" || o.Org != "org123" || o.LiveChat != "lc-789" || o.User != "user456" {
		t.Errorf("origin %+v", o)
	}
	for name, id := range needed(e) {
		if id == "" || len(id) > 256 || !storable(id) {
			t.Errorf("%T: %s %q", e, name, id)
		}
	}
	for _, part := range e.Key() {
		if len(part) > 256 || !storable(part) {
			t.Errorf("%T: key %q", e, part)
		}
	}
	env, err := messages.Seal(e, noon, "")
	if err != nil {
		t.Fatalf("%T: %v", e, err)
	}
	if secret != "" && bytes.Contains(env.Data, []byte(secret)) {
		t.Errorf("%T tells the secret", e)
	}
	if bytes.Contains(env.Data, []byte(`\u0000`)) && !bytes.Contains(env.Data, []byte(`\\u0000`)) {
		t.Errorf("%T holds a NUL", e)
	}
	wire, err := env.Bytes()
	if err == nil {
		_, err = messages.ParseEnvelope(wire)
	}
	if err != nil {
		t.Errorf("%T: %v", e, err)
	}
}

// needed are the ids that an event of the type cannot be without.
func needed(e messages.Event) map[string]string {
	chat := e.From().ChatID
	switch e := e.(type) {
	case messages.MessageReceived:
		return map[string]string{"chat": chat, "message": e.Message.ID, "type": e.Message.Type, "author type": e.Message.Author.Type, "created_at": timeOf(e.Message.CreatedAt)}
	case messages.MessageUpdated:
		return map[string]string{"chat": chat, "message": e.Message.ID, "type": e.Message.Type, "revision": e.Revision, "edited_at": timeOf(e.EditedAt)}
	case messages.MessageDeleted:
		return map[string]string{"chat": chat, "message": e.MessageID, "deleted_at": timeOf(e.DeletedAt)}
	case messages.MessagesSeen:
		return map[string]string{"chat": chat, "by": e.By, "up_to": timeOf(e.UpTo)}
	case messages.ConversationUpdated:
		needed := map[string]string{"chat": chat, "change": string(e.Change), "at": timeOf(e.At), "thread or revision": e.ThreadID + e.Revision}
		for _, p := range e.People {
			needed["person"] = p.ID
		}
		return needed
	case messages.AccountUpdated:
		return map[string]string{"action": e.Action, "revision": e.Revision}
	case messages.UnknownReceived:
		return map[string]string{"revision": e.Revision}
	}
	return map[string]string{"known type": ""}
}

// timeOf is empty for what is no time.
func timeOf(s string) string {
	if _, err := messages.ParseTime(s); err != nil {
		return ""
	}
	return s
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
