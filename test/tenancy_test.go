package test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// twin is one request, made twice: with an id of somebody else's, and with one of the same length that nobody has.
type twin struct {
	name            string
	theirs, nobodys string
	request         func(id string) string // raw
	want            string                 // summary of either answer
}

// nobodys is an id like the given one, of nothing that exists.
func nobodys(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0' + (r-'0'+5)%10
		}
		return r
	}, id)
}

// check holds that the two answers do not differ, but for the id and the time.
func (w twin) check(t *testing.T, p *process) {
	t.Helper()
	if w.theirs == w.nobodys {
		t.Fatalf("%s: both ids are %s", w.name, w.theirs)
	}
	first := reply{}
	for i, id := range []string{w.theirs, w.nobodys} {
		got := ask(t, p, w.request(id))
		if summary := got.summary(); summary != w.want {
			t.Errorf("%s: %s, want %s", w.name, summary, w.want)
		}
		got.header.Del("Date")
		got.body = strings.ReplaceAll(got.body, id, "(id)")
		if i == 0 {
			first = got
		} else if diff := cmp.Diff(first, got, cmp.AllowUnexported(reply{})); diff != "" {
			t.Errorf("%s: what is not yours and what is not differ (-not yours +is not):\n%s", w.name, diff)
		}
	}
}

// form is an upload's body.
func form(content string) string {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("edge")
	part, _ := w.CreateFormFile("file", "note.txt")
	fmt.Fprint(part, content)
	_ = w.Close()
	return b.String()
}

// event is a webhook of LiveChat's from a client.
func (c client) event(action, payload string) string {
	return fmt.Sprintf(`{"webhook_id":"w","secret_key":%q,"action":%q,"organization_id":%q,"payload":%s}`, c.secret, action, c.organization, payload)
}

// owned is what the victim of TestTenancy has.
type owned struct {
	chat, message, media, cursor, key string
}

// own gives a client a chat of two messages and an upload.
func (c client) own(t *testing.T, at *site, chat string) owned {
	t.Helper()
	path, bearer := "POST /livechat/"+c.identifier(), "Authorization: Bearer "+c.token
	has := owned{chat: chat, message: "msg_2718", key: "key_2718"}
	for _, id := range []string{"msg_1618", has.message} {
		body := strings.ReplaceAll(said(id, `"t"`), "chat_abc123", chat)
		attack{"message", raw(path, body, typeJSON, bearer), "200"}.check(t, ask(t, at.ingress, raw(path, body, typeJSON, bearer)))
	}
	got := ask(t, at.ingress, raw(path+"?action=upload_media&chat_id="+chat, form("a note of "+c.org), typeForm, bearer, "Idempotency-Key: "+has.key))
	var file uploaded
	if err := json.Unmarshal([]byte(got.body), &file); err != nil || got.status != http.StatusOK {
		t.Fatal(got, err)
	}
	has.media = file.Media.ID
	var page struct {
		Total  int    `json:"total"`
		Cursor string `json:"next_cursor"`
	}
	eventually(t, "the chat is whole", func() bool {
		got := ask(t, at.ingress, raw(path+"?action=fetch_messages&limit=1&chat_id="+chat, "", bearer))
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(got, err)
		}
		return page.Total == 3
	})
	has.cursor = page.Cursor
	return has
}

// TestTenancy holds S15 and F20: with the credentials of another account, whatever names something of ours (a chat, a
// message, a file, a cursor, an Idempotency-Key, an identifier in any spelling, an organization) gets to the letter
// the answer that it gets when it names nothing, and nothing of ours changes.
func TestTenancy(t *testing.T) {
	t.Parallel()
	at := stacks[0].open(t, nil)
	ours, theirs := newClient("org123"), newClient("other456")
	ours.licensed, theirs.licensed = nil, nil
	shop := newClient("shop789")
	shop.licensed, shop.origin = nil, "https://own.example"
	at.addClients(ours, theirs, shop)
	has := ours.own(t, at, "chat_3141")
	theirs.own(t, at, "chat_5926")
	before := at.chat(t, ours, has.chat)
	for _, w := range append(slicesOfTwins(ours, theirs, has), preflights(ours, shop)...) {
		w.check(t, at.ingress)
	}
	// What a preflight does tell, and has to: that the account is there, to whoever knows an origin of its own.
	for id, want := range map[string]string{shop.identifier(): "200", ours.identifier(): "403 origin_not_allowed"} {
		request := preflight(id, shop.origin)
		attack{"preflight of the account's own origin", request, want}.check(t, ask(t, at.ingress, request))
	}
	// What names ours inside a body that is theirs is taken, and stays theirs.
	path, bearer := "POST /livechat/"+theirs.identifier(), "Authorization: Bearer "+theirs.token
	for name, request := range map[string]string{
		"receipt":  raw(path+"?action=delivery_status", `{"message_id":"`+has.message+`","chat_id":"`+has.chat+`","status":"read"}`, typeJSON, bearer),
		"edit":     raw(path, theirs.event("event_updated", `{"chat_id":"`+has.chat+`","thread_id":"T","event":{"id":"`+has.message+`","type":"message","text":"taken over","author_id":"x@example.com","created_at":"2024-01-15T10:32:00Z"}}`), typeJSON),
		"deletion": raw(path, theirs.event("event_deleted", `{"chat_id":"`+has.chat+`","thread_id":"T","event_id":"msg_1618"}`), typeJSON),
		"seen":     raw(path, theirs.event("events_marked_as_seen", `{"chat_id":"`+has.chat+`","user_id":"x@example.com","seen_up_to":"2026-01-01T00:00:00Z"}`), typeJSON),
		"people":   raw(path, theirs.event("user_added_to_chat", `{"chat_id":"`+has.chat+`","user":{"id":"v","type":"agent","name":"Taken over"}}`), typeJSON),
		"message":  raw(path, strings.ReplaceAll(said(has.message, `"taken over"`), "chat_abc123", has.chat), typeJSON, bearer),
	} {
		attack{name, request, "200"}.check(t, ask(t, at.ingress, request))
	}
	eventually(t, "their own chat of that name has their edit", func() bool {
		return strings.Contains(at.chat(t, theirs, has.chat), "taken over")
	})
	if diff := cmp.Diff(before, at.chat(t, ours, has.chat)); diff != "" {
		t.Errorf("our chat has changed (-before +after):\n%s", diff)
	}
}

func slicesOfTwins(ours, theirs client, has owned) []twin {
	const unauthorized, nobody = "401 unauthorized", "404 chat_not_found"
	bearer, stranger := "Authorization: Bearer "+theirs.token, newClient(nobodys(ours.org)).identifier()
	at := func(id, action, body string, headers ...string) string {
		return raw("POST /livechat/"+id+"?"+action, body, append([]string{typeJSON}, headers...)...)
	}
	mine := theirs.identifier()
	same := func(name, id, want string, request func(id string) string) twin {
		return twin{name, id, nobodys(id), request, want}
	}
	on := func(name string, request func(identifier string) string) twin {
		return twin{name, ours.identifier(), stranger, request, unauthorized}
	}
	upload := func(id, chat string, headers ...string) string {
		return raw("POST /livechat/"+id+"?action=upload_media&chat_id="+chat, form("x"), append([]string{typeForm}, headers...)...)
	}
	secret := func(id, organization, secret string) string {
		c := theirs
		c.organization, c.secret = organization, secret
		return raw("POST "+id, c.event("chat_deactivated", `{"chat_id":"c","thread_id":"t"}`), typeJSON)
	}
	hooks := "/webhooks/livechat"
	all := []twin{
		same("fetch a chat", has.chat, nobody, func(id string) string { return at(mine, "action=fetch_messages&chat_id="+id, "", bearer) }),
		same("fetch a chat from a cursor", has.chat, nobody, func(id string) string {
			return at(mine, "action=fetch_messages&chat_id="+id+"&cursor="+has.cursor, "", bearer)
		}),
		same("upload to a chat", has.chat, nobody, func(id string) string { return upload(mine, id, bearer) }),
		same("upload to a chat with a key", has.chat, nobody, func(id string) string { return upload(mine, id, bearer, "Idempotency-Key: "+has.key) }),
		same("receipt for a message", has.message, "200", func(id string) string {
			return at(mine, "action=delivery_status", `{"message_id":"`+id+`","chat_id":"`+has.chat+`","status":"sent"}`, bearer)
		}),
		same("receipt in a chat", has.chat, "200", func(id string) string {
			return at(mine, "action=delivery_status", `{"message_id":"m","chat_id":"`+id+`","status":"sent"}`, bearer)
		}),
		same("body of an organization, no identifier", ours.organization, unauthorized, func(id string) string { return secret(hooks, id, theirs.secret) }),
		same("body of an organization, own identifier", ours.organization, unauthorized, func(id string) string { return secret(hooks+"/"+mine, id, theirs.secret) }),
		on("webhook with another's secret", func(id string) string { return secret(hooks+"/"+id, theirs.organization, theirs.secret) }),
		on("webhook of the organization with another's secret", func(id string) string { return secret(hooks+"/"+id, ours.organization, theirs.secret) }),
		on("receive", func(id string) string { return at(id, "", said("m", `"t"`), bearer) }),
		on("fetch", func(id string) string { return at(id, "action=fetch_messages&chat_id="+has.chat, "", bearer) }),
		on("fetch with nothing", func(id string) string { return at(id, "action=fetch_messages&chat_id="+has.chat, "") }),
		on("receipt", func(id string) string {
			return at(id, "action=delivery_status", `{"message_id":"`+has.message+`","chat_id":"`+has.chat+`","status":"read"}`, bearer)
		}),
		on("upload", func(id string) string { return upload(id, has.chat, bearer, "Idempotency-Key: "+has.key) }),
		on("unknown action", func(id string) string { return at(id, "action=x", "", bearer) }),
		on("other method", func(id string) string { return raw("PUT /livechat/"+id, "", bearer) }),
	}
	// The identifier in its other spellings.
	for name, spell := range map[string]func(string) string{
		"unpadded": func(id string) string { return strings.TrimRight(id, "=") },
		"URL-safe": func(id string) string { return strings.NewReplacer("+", "-", "/", "_").Replace(id) },
		"escaped":  func(id string) string { return strings.Replace(id, id[:1], fmt.Sprintf("%%%02X", id[0]), 1) },
	} {
		all = append(all, on("identifier "+name, func(id string) string { return at(spell(id), "", "{}", bearer) }))
	}
	// A file's id is all that it takes to read it: whatever is not the whole id is nothing.
	for name, id := range map[string]string{
		"cut id": has.media[:len(has.media)-1], "id in capitals": strings.ToUpper(has.media), "longer id": has.media + "a",
	} {
		other := "media_" + strings.Repeat("a", len(id)-len("media_"))
		all = append(all,
			twin{"file, " + name, id, other, func(id string) string { return raw("GET /media/"+id+".txt", "") }, "404 media_not_found"},
			twin{"thumbnail, " + name, id, other, func(id string) string { return raw("GET /media/"+id+"/thumbnail", "") }, "404 media_not_found"})
	}
	return all
}

func preflight(identifier, origin string) string {
	return raw("OPTIONS /livechat/"+identifier, "", "Origin: "+origin, "Access-Control-Request-Method: POST")
}

// preflights are twins for accounts with and without origins of their own: no origin that they do not have tells of them.
func preflights(plain, own client) (all []twin) {
	for name, c := range map[string]client{"an account": plain, "an account with its own origins": own} {
		stranger := newClient(nobodys(c.org)).identifier()
		for origin, want := range map[string]string{"https://app.example.com": "200", "https://other.example": "403 origin_not_allowed"} {
			request := func(id string) string { return preflight(id, origin) }
			all = append(all, twin{"preflight of " + name + " from " + origin, c.identifier(), stranger, request, want})
		}
	}
	return all
}

// TestKeysAndCursorsOfAnotherAccount: an Idempotency-Key belongs to the account and the chat that used it, and a cursor
// says nothing and opens nothing.
func TestKeysAndCursorsOfAnotherAccount(t *testing.T) {
	t.Parallel()
	at := stacks[0].open(t, nil)
	ours, theirs := newClient("org123"), newClient("other456")
	ours.licensed, theirs.licensed = nil, nil
	at.addClients(ours, theirs)
	has := ours.own(t, at, "chat_same")
	other := theirs.own(t, at, "chat_same") // the same chat id, message ids and key, another file
	if has.media == other.media {
		t.Fatal("one upload for two accounts")
	}
	for name, c := range map[string]struct {
		of     client
		cursor string
	}{"ours with their cursor": {ours, other.cursor}, "theirs with our cursor": {theirs, has.cursor}} {
		got := ask(t, at.ingress, raw("POST /livechat/"+c.of.identifier()+"?action=fetch_messages&limit=1&chat_id=chat_same&cursor="+c.cursor, "",
			"Authorization: Bearer "+c.of.token))
		foreign := has.media
		if c.of.org == ours.org {
			foreign = other.media
		}
		if got.status != http.StatusOK || strings.Contains(got.body, foreign) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// TestAccountsOutliveTheStore: while PostgreSQL is away, whoever is known goes on to be served, and about nobody else is
// anything said: 503, never 401, never 200.
func TestAccountsOutliveTheStore(t *testing.T) {
	t.Parallel()
	dsn, line := cuttable(t)
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_STORE=" + dsn}
	p := start(t, env, "serve")
	at := &site{stack: stacks[0], t: t, env: env, ingress: p, workers: map[string]*process{}}
	known, unknown := newClient("known"), newClient("unknown")
	known.licensed = nil
	at.addClients(known)
	use := func(c client, token, id string) reply {
		return ask(t, p, raw("POST /livechat/"+c.identifier(), said(id, `"t"`), typeJSON, "Authorization: Bearer "+token))
	}
	attack{"before", "", "200"}.check(t, use(known, known.token, "before"))
	line.cut()
	began, n := time.Now(), 0
	// Longer than the ten seconds for which an account that was looked up is not looked up again.
	eventually(t, "the outage has lasted", func() bool {
		n++
		attack{"known account", "", "200"}.check(t, use(known, known.token, fmt.Sprint("during_", n)))
		return time.Since(began) > 12*time.Second || t.Failed()
	})
	attack{"known account, wrong token", "", "503 unavailable"}.check(t, use(known, "lp_"+strings.Repeat("w", 30), "m"))
	attack{"unknown account", "", "503 unavailable"}.check(t, use(unknown, unknown.token, "m"))
	line.mend()
	eventually(t, "an unknown account is refused again", func() bool {
		return use(unknown, unknown.token, "m").summary() == "401 unauthorized"
	})
	eventually(t, "everything that was accepted stands in history", func() bool {
		_, answer := at.fetch(t, known, "chat_abc123")
		return strings.Contains(answer, fmt.Sprintf(`"total":%d`, n+1))
	})
}
