package ingress_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

var chat = messages.Chat{Tenant: tenant, ChatID: "chat_abc123"}

func cancelable(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}

// messageBody is the body of a message with this id.
func messageBody(id string) string {
	return `{"event":"incoming_message","chat_id":"chat_abc123","message":{"id":"` + id + `","type":"text","text":"t",` +
		`"author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:30:00Z"}}`
}

func TestFetchWalksBack(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"m1", "m2", "m3", "m4", "m5"} {
		wants(t, id, w.post(livechatPath, messageBody(id)), "200")
	}
	var pages []string
	target := fetchPath + "&limit=2"
	for target != "" {
		got := w.post(target, "")
		var page struct {
			Messages []struct {
				ID string `json:"id"`
			} `json:"messages"`
			Total   int    `json:"total"`
			HasMore bool   `json:"hasMore"`
			Next    string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || page.Total != 5 || page.HasMore != (page.Next != "") {
			t.Fatalf("%d %s: %v", got.status, got.body, err)
		}
		if strings.Contains(got.body, "next_cursor") != page.HasMore {
			t.Errorf("a cursor without more: %s", got.body)
		}
		var ids []string
		for _, m := range page.Messages {
			ids = append(ids, m.ID)
		}
		pages = append(pages, strings.Join(ids, " "))
		target = ""
		if page.HasMore {
			target = fetchPath + "&limit=2&cursor=" + page.Next
		}
	}
	if diff := cmp.Diff([]string{"m4 m5", "m2 m3", "m1"}, pages); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFetchAsksTheStoreForWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	wants(t, "message", w.post(livechatPath, messageBody("m1")), "200")
	body := `{"from_timestamp":"2024-01-15T12:00:00+02:00","to_timestamp":"2024-01-15T12:00:00.5Z"}`
	wants(t, "fetch", w.post(fetchPath+"&limit=7", body), "200")
	wants(t, "defaults", w.post(fetchPath, `{"to_timestamp":"0001-01-01T00:00:00Z"}`), "200")
	want := []store.Query{
		{Chat: chat, Limit: 7, From: time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC), To: time.Date(2024, 1, 15, 12, 0, 0, 500_000_000, time.UTC)},
		{Chat: chat, Limit: 50, To: time.Time{}.Add(1)},
	}
	if diff := cmp.Diff(want, w.store.queries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFetchShowsStatusAndFileOnceThereIsOne(t *testing.T) {
	const id = "media_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	file := messages.File{ID: id, Name: "a.png", ContentType: "image/png", Size: 9, Extension: ".png"}
	cleaned := file
	cleaned.Size = 7
	entry := func(m *store.Media) store.Entry {
		return store.Entry{Media: m, Message: messages.Message{
			ID: id, Type: "file", File: &file, Author: messages.Author{ID: "u", Type: "user"}, CreatedAt: "2024-01-15T10:30:00Z",
		}}
	}
	head := `{"id":"` + id + `","type":"file","author":{"id":"u","type":"user"},"created_at":"2024-01-15T10:30:00Z"`
	const url = "http://127.0.0.1:8080/media/" + id
	tests := map[string]struct {
		entry store.Entry
		want  string
	}{
		"text without status": {
			store.Entry{Message: messages.Message{ID: "m", Type: "sticker", Author: messages.Author{ID: "v", Type: "visitor"}, CreatedAt: "2024-01-15T10:30:00Z"}},
			`{"id":"m","type":"sticker","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:30:00Z"}`,
		},
		"text with status": {
			store.Entry{Status: messages.Read, Message: messages.Message{ID: "m", Type: "text", Text: new(string), Author: messages.Author{ID: "v", Type: "agent"}, CreatedAt: "2024-01-15T10:30:00Z"}},
			`{"id":"m","type":"text","text":"","author":{"id":"v","type":"agent"},"created_at":"2024-01-15T10:30:00Z","delivery_status":"read"}`,
		},
		"pending":   {entry(nil), head + `,"file":{"id":"` + id + `","url":"` + url + `.png","filename":"a.png","content_type":"image/png","size":9}}`},
		"rejected":  {entry(&store.Media{File: file, State: store.MediaRejected}), head + `,"file":{"id":"` + id + `","url":"` + url + `.png","filename":"a.png","content_type":"image/png","size":9}}`},
		"released":  {entry(&store.Media{File: cleaned, State: store.MediaReleased}), head + `,"file":{"id":"` + id + `","url":"` + url + `.png","filename":"a.png","content_type":"image/png","size":7}}`},
		"thumbnail": {entry(&store.Media{File: cleaned, State: store.MediaReleased, HasThumbnail: true}), head + `,"file":{"id":"` + id + `","url":"` + url + `.png","filename":"a.png","content_type":"image/png","size":7,"thumbnail_url":"` + url + `/thumbnail"}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.chats[chat] = []store.Entry{test.entry}
			want := `{"chat_id":"chat_abc123","messages":[` + test.want + `],"total":1,"hasMore":false}`
			if diff := cmp.Diff(want, compact(t, w.post(fetchPath, "").body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	w := newWorld(t)
	w.store.chats[chat] = []store.Entry{}
	if got := compact(t, w.post(fetchPath, "").body); got != `{"chat_id":"chat_abc123","messages":[],"total":0,"hasMore":false}` {
		t.Error(got)
	}
}

// TestFetchTellsWhatATypeNeeds holds the fields that stand beside the contract's, their order, and that each is told only
// where there is something.
func TestFetchTellsWhatATypeNeeds(t *testing.T) {
	text, toggled := "words", true
	message := func(change func(*messages.Message)) store.Entry {
		m := messages.Message{ID: "m", Type: "t", Author: messages.Author{ID: "v", Type: "visitor"}, CreatedAt: "2024-01-15T10:30:00Z"}
		change(&m)
		return store.Entry{Message: m}
	}
	content := func(c messages.Content) store.Entry { return message(func(m *messages.Message) { m.Content = &c }) }
	everything := message(func(m *messages.Message) {
		m.Text, m.Internal, m.File = &text, true, &messages.File{ID: "media_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "a.png", Size: 9}
		m.Content = &messages.Content{
			File: &messages.Attachment{URL: "https://a.example"}, Fields: []messages.Field{{ID: "f"}}, Postback: &messages.Postback{ID: "p"},
			Elements: []messages.Element{{Title: "e"}}, Details: "{}", Custom: []byte("{}"), TextVars: []byte("{}"),
		}
	})
	everything.Status, everything.EditedAt, everything.DeletedAt = messages.Read, "2024-01-15T11:00:00Z", "2024-01-15T12:00:00Z"
	edited := message(func(m *messages.Message) { m.Text = &text })
	edited.Status, edited.EditedAt = messages.Read, "2024-01-15T11:00:00Z"
	const head = `{"id":"m","type":"t","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:30:00Z"`
	const worded = `{"id":"m","type":"t","text":"words","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:30:00Z"`
	tests := map[string]struct {
		entry store.Entry
		want  string
	}{
		"a picture that stands with LiveChat": {
			content(messages.Content{File: &messages.Attachment{
				URL: "https://files.example/a.png", Filename: "a.png", ContentType: "image/png", Size: 9, ThumbnailURL: "https://files.example/1x",
				Thumbnail2xURL: "https://files.example/2x", Width: 3, Height: 4, AlternativeText: "a cat",
			}}),
			head + `,"file":{"url":"https://files.example/a.png","filename":"a.png","content_type":"image/png","size":9,` +
				`"thumbnail_url":"https://files.example/1x","thumbnail2x_url":"https://files.example/2x","width":3,"height":4,"alternative_text":"a cat"}}`,
		},
		"a file of which little is told": {
			content(messages.Content{File: &messages.Attachment{URL: "https://files.example/a.txt", Filename: "a.txt", ContentType: "text/plain"}}),
			head + `,"file":{"url":"https://files.example/a.txt","filename":"a.txt","content_type":"text/plain"}}`,
		},
		"a filled form": {
			content(messages.Content{FormID: "f1", FormType: "prechat", Fields: []messages.Field{
				{Type: "name", ID: "a", Label: "Name", Answer: []byte(`"Ada"`)}, {Type: "checkbox", ID: "b", Answers: []byte(`[{"id":"1","label":"yes"}]`)},
			}}),
			head + `,"fields":[{"type":"name","id":"a","label":"Name","answer":"Ada"},{"type":"checkbox","id":"b","answers":[{"id":"1","label":"yes"}]}],` +
				`"form_id":"f1","form_type":"prechat"}`,
		},
		"a rich message": {
			content(messages.Content{TemplateID: "cards", Elements: []messages.Element{{Title: "one", Buttons: []byte(`[{"text":"go"}]`)}}}),
			head + `,"template_id":"cards","elements":[{"title":"one","buttons":[{"text":"go"}]}]}`,
		},
		"a postback": {
			content(messages.Content{Postback: &messages.Postback{ID: "p", MessageID: "m0", ThreadID: "t0", Toggled: &toggled, ButtonType: "message", ButtonValue: "go"}}),
			head + `,"postback":{"id":"p","message_id":"m0","thread_id":"t0","toggled":true,"button_type":"message","button_value":"go"}}`,
		},
		"a system message": {
			content(messages.Content{SystemType: "routing.assigned", TextVars: []byte(`{"agent":"Ada"}`)}),
			head + `,"system_message_type":"routing.assigned","text_vars":{"agent":"Ada"}}`,
		},
		"an event of the system": {
			content(messages.Content{Source: "s", Subtype: "u", Version: "1", Details: `{"a":1}`}),
			head + `,"source":"s","subtype":"u","version":"1","details":"{\"a\":1}"}`,
		},
		"what an app has made up": {content(messages.Content{Custom: []byte(`{"a":[1]}`)}), head + `,"content":{"a":[1]}}`},
		"what an app has sent": {
			content(messages.Content{ThreadID: "t1", CustomID: "crm-42", SourceClientID: "c6e4"}),
			head + `,"thread_id":"t1","custom_id":"crm-42","source_client_id":"c6e4"}`,
		},
		"a note among agents": {message(func(m *messages.Message) { m.Text, m.Internal = &text, true }), worded + `,"internal":true}`},
		"an edited message":   {edited, worded + `,"delivery_status":"read","edited_at":"2024-01-15T11:00:00Z"}`},
		"a removed message keeps its place and nothing of what stood there": {
			everything, head + `,"delivery_status":"read","internal":true,"deleted_at":"2024-01-15T12:00:00Z"}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.chats[chat] = []store.Entry{test.entry}
			want := `{"chat_id":"chat_abc123","messages":[` + test.want + `],"total":1,"hasMore":false}`
			if diff := cmp.Diff(want, compact(t, w.post(fetchPath, "").body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNobodyWaitsForAPressedButton holds that a reader does not wait for a press that may be the retry of a stored one.
func TestNobodyWaitsForAPressedButton(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		wants(t, "m1", w.post(livechatPath, messageBody("m1")), "200")
		wants(t, "fetch", w.post(fetchPath, ""), "200")
		w.bus.publish = func(string, []*message.Message) error { return nil } // nothing of it is ever stored
		wants(t, "press", w.post(livechatPath, `{"webhook_id":"w","secret_key":"s","action":"incoming_rich_message_postback",
			"organization_id":"o","payload":{"user_id":"u","chat_id":"chat_abc123","event_id":"m1","postback":{"id":"yes"}}}`), "200")
		start := time.Now()
		wants(t, "fetch", w.post(fetchPath, ""), "200")
		if took := time.Since(start); took != 0 {
			t.Errorf("the reader waited %s", took)
		}
	})
}

// TestReadYourWrites runs in virtual time: who has got a 200 reads the message, or is told to come back.
func TestReadYourWrites(t *testing.T) {
	// later makes the worker store what was published after a delay; a negative one means never.
	later := func(w *world, delay time.Duration) {
		w.bus.publish = func(_ string, msgs []*message.Message) error {
			env, _ := bus.Unmarshal(msgs[0])
			if delay >= 0 {
				time.AfterFunc(delay, func() { w.store.apply(env) })
			}
			return nil
		}
	}
	type step struct {
		post  string        // a message with this id, stored after the delay
		delay time.Duration // or, without post, a pause before the fetch
		want  string        // of the fetch
		n     int           // messages in it
		took  time.Duration // at most; exactly when it is not 200
	}
	const never = -1
	tests := map[string][]step{
		"stored at once":                    {{post: "m1"}, {want: "200", n: 1}},
		"a new chat, stored soon":           {{post: "m1", delay: 40 * time.Millisecond}, {want: "200", n: 1, took: 100 * time.Millisecond}},
		"a new chat, stored late":           {{post: "m1", delay: 1900 * time.Millisecond}, {want: "200", n: 1, took: 2 * time.Second}},
		"a new chat, not in time":           {{post: "m1", delay: 5 * time.Second}, {want: "503 chat_not_ready", took: 2 * time.Second}},
		"a known chat waits for the newest": {{post: "m1"}, {want: "200", n: 1}, {post: "m2", delay: time.Second}, {want: "200", n: 2, took: 1100 * time.Millisecond}},
		"a known chat, newest not in time":  {{post: "m1"}, {post: "m2", delay: never}, {want: "200", n: 1, took: 2 * time.Second}},
		"an unknown chat":                   {{want: "404 chat_not_found", took: 250 * time.Millisecond}},
		"accepted long ago":                 {{post: "m1", delay: never}, {delay: 11 * time.Minute, want: "404 chat_not_found", took: 250 * time.Millisecond}},
		"accepted a while ago":              {{post: "m1", delay: never}, {delay: 9 * time.Minute, want: "503 chat_not_ready", took: 2 * time.Second}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				for _, s := range steps {
					if s.post != "" {
						later(w, s.delay)
						wants(t, s.post, w.post(livechatPath, messageBody(s.post)), "200")
						if s.delay == 0 {
							synctest.Wait()
						}
						continue
					}
					<-time.After(s.delay)
					start := time.Now()
					got := w.post(fetchPath, "")
					took := time.Since(start)
					wants(t, "fetch", got, s.want)
					if n := strings.Count(got.body, `"created_at"`); n != s.n || took > s.took || got.status != 200 && took != s.took {
						t.Errorf("%d messages after %s: %s", n, took, got.body)
					}
					if retry := got.header.Get("Retry-After"); (got.status == http.StatusServiceUnavailable) != (retry == "1") {
						t.Errorf("%d with Retry-After %q", got.status, retry)
					}
				}
				<-time.After(10 * time.Second) // let late workers end
			})
		})
	}
}

// TestChatOfAnotherProcess holds that a chat which another ingress has just accepted is found too.
func TestChatOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		time.AfterFunc(200*time.Millisecond, func() {
			w.store.mu.Lock()
			defer w.store.mu.Unlock()
			w.store.chats[chat] = []store.Entry{}
		})
		wants(t, "fetch", w.post(fetchPath, ""), "200")
	})
}

// TestReaderWhoHangsUp holds that nobody is waited for who has gone.
func TestReaderWhoHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, hangUp := cancelable(t)
		time.AfterFunc(50*time.Millisecond, hangUp)
		start := time.Now()
		w.serve(request("POST", fetchPath, "").WithContext(ctx))
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("waited %s", took)
		}
	})
}

// TestStoreIsDown holds that an outage is no 404 and no 500.
func TestStoreIsDown(t *testing.T) {
	w := newWorld(t)
	w.config.Access = "open"
	w.store.fail = messages.Unavailable(context.DeadlineExceeded)
	open := newWorld(t, func(o *world) { o.config.Access = "open"; o.store = w.store; o.deps.History = w.store })
	got := open.post(fetchPath, "")
	wants(t, "fetch", got, "503 unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wants(t, "auto fails closed", w.post(livechatPath, messageBody("m")), "503 unavailable")
}
