package ingress_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// png is the smallest picture: one transparent pixel.
var png = mustHex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001" +
	"e221bc330000000049454e44ae426082")

func mustHex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const boundary = "xYzZY"

// part is one part of a form.
func part(disposition, content string, headers ...string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; " + disposition + "\r\n" +
		strings.Join(append(headers, ""), "\r\n") + "\r\n" + content + "\r\n"
}

func filePart(content string) string { return part(`name="file"; filename="screenshot.png"`, content) }

func form(parts ...string) string { return strings.Join(parts, "") + "--" + boundary + "--\r\n" }

const formType = "multipart/form-data; boundary=" + boundary

func (w *world) upload(body string, headers ...string) answer {
	return w.post(uploadPath, body, append([]string{"Content-Type", formType}, headers...)...)
}

// newChatWorld knows the spec's chat.
func newChatWorld(t testing.TB, change ...func(*world)) *world {
	w := newWorld(t, change...)
	w.store.chats[chat] = []store.Entry{}
	return w
}

// uploaded is the answer to an upload.
type uploaded struct {
	Status string `json:"status"`
	Media  struct {
		ID          string `json:"id"`
		URL         string `json:"url"`
		Filename    string `json:"filename"`
		ContentType string `json:"content_type"`
		Size        int64  `json:"size"`
	} `json:"media"`
}

func uploadedOf(t testing.TB, got answer) uploaded {
	t.Helper()
	var u uploaded
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), &u, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	return u
}

func (w *world) blob(t testing.TB, key string) string {
	t.Helper()
	r, err := w.deps.Blobs.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestUploadLikeTheSpec uploads with the spec's three parts and wants its answer's shape, the bytes in the blob store,
// the event, and nothing left on disk.
func TestUploadLikeTheSpec(t *testing.T) {
	w := newChatWorld(t)
	got := w.upload(form(filePart(png), part(`name="filename"`, "screenshot.png"), part(`name="content_type"`, "image/png")))
	u := uploadedOf(t, got)
	shape := regexp.MustCompile(`media_[a-z0-9]+`)
	want := shape.ReplaceAllString(compact(t, spec(t, "upload.response")), "ID")
	want = strings.NewReplacer("https://cdn.livechat.com/media", "http://127.0.0.1:8080/media", "245678", fmt.Sprint(len(png))).Replace(want)
	if diff := cmp.Diff(want, shape.ReplaceAllString(compact(t, got.body), "ID")); diff != "" {
		t.Errorf("(-spec +got):\n%s", diff)
	}
	if !messages.IsMediaID(u.Media.ID) {
		t.Errorf("media id %q", u.Media.ID)
	}
	if w.blob(t, messages.PendingKey(u.Media.ID)) != png {
		t.Error("the blob is not what was sent")
	}
	events := w.bus.events()
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e, err := messages.Open[messages.MediaUploaded](events[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(png))
	wantEvent := messages.MediaUploaded{
		Origin: messages.Origin{Channel: "livechat", Chat: chat, User: "user456"},
		File:   messages.File{ID: u.Media.ID, Name: "screenshot.png", ContentType: "image/png", Size: int64(len(png)), Extension: ".png"},
		Digest: hex.EncodeToString(sum[:]), UploadedAt: e.UploadedAt,
	}
	if diff := cmp.Diff(wantEvent, e); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if history := w.post(fetchPath, "").body; !strings.Contains(history, `"type":"file"`) || !strings.Contains(history, u.Media.URL) {
		t.Errorf("history: %s", history)
	}
	w.wantNoScratch(t)
}

// wantNoScratch holds that no temporary file stays, whatever happened.
func (w *world) wantNoScratch(t testing.TB) {
	t.Helper()
	left, err := os.ReadDir(w.config.UploadDir)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the upload directory: %v, %v", left, err)
	}
}

func TestUploadRefuses(t *testing.T) {
	large := png + strings.Repeat("x", 1000)
	tests := []struct {
		name, body string
		headers    []string
		want       string
	}{
		{"not a form", png, []string{"Content-Type", "image/png"}, "415 unsupported_content_type Content-Type"},
		{"form without boundary", form(filePart(png)), []string{"Content-Type", "multipart/form-data"}, "400 invalid_multipart Content-Type"},
		{"empty boundary", form(filePart(png)), []string{"Content-Type", `multipart/form-data; boundary=""`}, "400 invalid_multipart Content-Type"},
		{"long boundary", form(filePart(png)), []string{"Content-Type", "multipart/form-data; boundary=" + strings.Repeat("x", 71)}, "400 invalid_multipart Content-Type"},
		{"multipart/mixed", form(filePart(png)), []string{"Content-Type", "multipart/mixed; boundary=" + boundary}, "415 unsupported_content_type Content-Type"},
		{"other boundary", form(filePart(png)), []string{"Content-Type", "multipart/form-data; boundary=other"}, "400 incomplete_body"},
		{"gzip", form(filePart(png)), []string{"Content-Encoding", "gzip"}, "415 unsupported_content_encoding"},
		{"empty body", "", nil, "400 incomplete_body"},
		{"no parts", form(), nil, "400 missing_field file"},
		{"no file", form(part(`name="filename"`, "a.png")), nil, "400 missing_field file"},
		{"empty file", form(filePart("")), nil, "400 invalid_field file"},
		{"two files", form(filePart(png), filePart(png)), nil, "400 invalid_multipart file"},
		{"two names", form(part(`name="filename"`, "a"), part(`name="filename"`, "b"), filePart(png)), nil, "400 invalid_multipart filename"},
		{"1,001 parts", form(strings.Repeat(part(`name="x"`, "y"), 1000), filePart(png)), nil, "400 invalid_multipart"},
		{"nested", form(part(`name="file"; filename="a"`, form(filePart(png)), "Content-Type: multipart/mixed; boundary=b")), nil, "400 invalid_multipart"},
		{"base64 part", form(part(`name="file"; filename="a"`, "aGVsbG8=", "Content-Transfer-Encoding: base64")), nil, "400 invalid_multipart"},
		{"quoted part", form(part(`name="file"; filename="a"`, "hello", "Content-Transfer-Encoding: quoted-printable")), nil, "400 invalid_multipart"},
		{"long name part", form(part(`name="filename"`, strings.Repeat("x", 4097)), filePart(png)), nil, "400 invalid_multipart"},
		{"endless name part", form(part(`name="filename"`, strings.Repeat("x", 256<<10)), filePart(png)), nil, "400 invalid_multipart"},
		{"endless part header", form(part(`name="file"; filename="`+strings.Repeat("x", 256<<10)+`"`, png)), nil, "400 invalid_multipart"},
		{"10,000 part headers", form(part(`name="file"`, png, strings.Repeat("X-A: b\r\n", 10_000)+"X-B: c")), nil, "400 invalid_multipart"},
		{"cut in the file", form(filePart(png))[:150], nil, "400 incomplete_body"},
		{"cut before the end", strings.TrimSuffix(form(filePart(png)), "--\r\n"), nil, "400 incomplete_body"},
		{"64 KiB after the form", form(filePart(png)) + strings.Repeat("x", 64<<10), nil, "400 invalid_multipart"},
		{"one byte too much", form(filePart(large[:1001])), nil, "413 payload_too_large"},
		{"far too much", form(filePart(strings.Repeat("x", 1<<20))), nil, "413 payload_too_large"},
		{"HTML", form(filePart("<html><script>x</script></html>")), nil, "415 unsupported_media_type file"},
		{"SVG", form(filePart(`<svg xmlns="http://www.w3.org/2000/svg"/>`)), nil, "415 unsupported_media_type file"},
		{"ELF", form(filePart("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 60))), nil, "415 unsupported_media_type file"},
		{"empty key", form(filePart(png)), []string{"Idempotency-Key", " "}, "400 invalid_field Idempotency-Key"},
		{"long key", form(filePart(png)), []string{"Idempotency-Key", strings.Repeat("k", 256)}, "400 invalid_field Idempotency-Key"},
	}
	for _, chunked := range []bool{false, true} {
		w := newChatWorld(t, func(w *world) { w.config.UploadLimit = 1000 })
		for _, test := range tests {
			r := request("POST", uploadPath, test.body, append([]string{"Content-Type", formType}, test.headers...)...)
			if test.name == "empty key" {
				r.Header["Idempotency-Key"] = []string{""}
			}
			if chunked {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(test.body)), -1
			}
			wants(t, fmt.Sprintf("%s, chunked %v", test.name, chunked), w.serve(r), test.want)
			w.wantNoScratch(t)
		}
		if len(w.bus.events()) != 0 {
			t.Error("a refused upload was published")
		}
		wants(t, "at the limit", w.upload(form(filePart(large[:1000]))), "200")
	}
}

// TestUploadSaysWhatItFound holds that 415 tells the type.
func TestUploadSaysWhatItFound(t *testing.T) {
	got := newChatWorld(t).upload(form(filePart("<html></html>")))
	if !strings.Contains(got.body, "text/html") {
		t.Error(got.body)
	}
}

// TestUploadDeclaredTooLarge holds that nothing is read of a body that says it is too large.
func TestUploadDeclaredTooLarge(t *testing.T) {
	w := newChatWorld(t)
	r := request("POST", uploadPath, "", "Content-Type", formType)
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { t.Error("the body was read"); return 0, io.EOF }))
	r.ContentLength = 100 << 20
	wants(t, "100 MB", w.serve(r), "413 payload_too_large")
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestUploadNeedsItsChat holds that a file is not even received for a chat that nobody knows.
func TestUploadNeedsItsChat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		wants(t, "unknown chat", w.upload(form(filePart(png))), "404 chat_not_found")
		w.bus.publish = func(string, []*message.Message) error { return nil }
		wants(t, "message", w.post(livechatPath, messageBody("m1")), "200")
		wants(t, "accepted chat", w.upload(form(filePart(png))), "503 chat_not_ready")
		wants(t, "no chat", w.post(livechatPath+"?action=upload_media", form(filePart(png)), "Content-Type", formType), "400 missing_field chat_id")
	})
}

func TestUploadNames(t *testing.T) {
	tests := map[string]string{
		"../../x":                      "x.png",
		`C:\x`:                         "x.png",
		"C:x.png":                      "C_x.png",
		"/etc/passwd":                  "passwd.png",
		"a\x00b.png":                   "ab.png",
		"photo\u202egpj.png":           "photogpj.png",
		"a\r\nX: y.png":                "aX_ y.png",
		"CON":                          "_CON.png",
		"nul.png":                      "_nul.png",
		"Com1.tar.png":                 "_Com1.tar.png",
		"COM¹.png":                     "_COM¹.png",
		"COM10.png":                    "COM10.png",
		"...":                          "file.png",
		".htaccess":                    "htaccess.png",
		"":                             "file.png",
		"evil.exe":                     "evil.exe.png",
		"page.html":                    "page.html.png",
		"Ferien am Meer (2).PNG":       "Ferien am Meer (2).PNG",
		"聊天.png":                       "聊天.png",
		"\xff\xfe.png":                 "png.png",
		strings.Repeat("x", 1024):      strings.Repeat("x", 196) + ".png",
		strings.Repeat("ü", 300) + "é": strings.Repeat("ü", 98) + ".png",
	}
	w := newChatWorld(t)
	for given, want := range tests {
		got := uploadedOf(t, w.upload(form(part(`name="filename"`, given), filePart(png)))).Media.Filename
		if given == "" {
			want = "screenshot.png" // the part "file" names it then
		}
		if got != want {
			t.Errorf("%.40q became %q, want %q", given, got, want)
		}
	}
	if got := uploadedOf(t, w.upload(form(part(`name="file"`, png)))).Media.Filename; got != "file.png" {
		t.Errorf("without any name: %q", got)
	}
}

func TestIdempotencyKeyMakesARetryTheSameUpload(t *testing.T) {
	key := []string{"Idempotency-Key", "a retry / of mine"}
	w := newChatWorld(t)
	first := w.upload(form(filePart(png)), key...)
	id := uploadedOf(t, first).Media.ID
	again := w.upload(form(part(`name="file"; filename="other.png"`, png)), key...)
	if first.body != again.body {
		t.Errorf("the retry got another answer:\n%s%s", first.body, again.body)
	}
	for _, env := range w.bus.events() {
		if env.ID != w.bus.events()[0].ID {
			t.Error("the retry is another event")
		}
	}
	wants(t, "other content", w.upload(form(filePart(png+"x")), key...), "409 idempotency_key_reused Idempotency-Key")
	if other := uploadedOf(t, w.upload(form(filePart(png)), "Idempotency-Key", "other")).Media.ID; other == id {
		t.Error("another key is the same upload")
	}
	if other := uploadedOf(t, w.upload(form(filePart(png)))).Media.ID; other == id {
		t.Error("no key is the same upload")
	}
	elsewhere := chat
	elsewhere.ChatID = "chat_2"
	w.store.chats[elsewhere] = []store.Entry{}
	there := w.post(strings.Replace(uploadPath, "chat_abc123", "chat_2", 1), form(filePart(png)), "Content-Type", formType, key[0], key[1])
	if uploadedOf(t, there).Media.ID == id {
		t.Error("the same key in another chat is the same upload")
	}
}

// TestRetryFinishesWhatDiedInBetween holds that the record of a key without its event is no dead end, and that a retry
// after the decision brings nothing back.
func TestRetryFinishesWhatDiedInBetween(t *testing.T) {
	key := []string{"Idempotency-Key", "k"}
	w := newChatWorld(t)
	w.bus.publish = func(string, []*message.Message) error { return errors.New("down") }
	wants(t, "the broker is down", w.upload(form(filePart(png)), key...), "503 not_published")
	w.bus.publish = nil
	u := uploadedOf(t, w.upload(form(filePart(png)), key...))
	if len(w.bus.events()) != 1 || w.blob(t, messages.PendingKey(u.Media.ID)) != png {
		t.Fatal("the retry did not finish the upload")
	}
	w.store.media[u.Media.ID] = store.Media{State: store.MediaReleased}
	if err := w.deps.Blobs.Delete(t.Context(), messages.PendingKey(u.Media.ID)); err != nil {
		t.Fatal(err)
	}
	uploadedOf(t, w.upload(form(filePart(png)), key...))
	if there, _ := w.deps.Blobs.Exists(t.Context(), messages.PendingKey(u.Media.ID)); there || len(w.bus.events()) != 1 {
		t.Error("the retry began again after the decision")
	}
}

// TestUploadIsNotHeldInMemory streams 8 MiB and wants far less than that to be allocated.
func TestUploadIsNotHeldInMemory(t *testing.T) {
	w := newChatWorld(t)
	content := "plain text\n" + strings.Repeat("0123456789abcde\n", 8<<20/16)
	body := form(part(`name="file"; filename="a.txt"`, content))
	uploadedOf(t, w.upload(body)) // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	uploadedOf(t, w.upload(body))
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("%d bytes allocated for an upload of %d", allocated, len(content))
	}
}

func FuzzMultipart(f *testing.F) {
	f.Add(form(filePart(png), part(`name="filename"`, "a.png")), boundary)
	f.Add(form(part(`name="file"`, "")), boundary)
	f.Add("--x\r\n\r\n--x--", "x")
	w := newChatWorld(f, func(w *world) { w.config.UploadLimit = 4096; w.config.Access = "open" })
	w.bus.publish = func(string, []*message.Message) error { return nil }
	f.Fuzz(func(t *testing.T, body, boundary string) {
		r := request("POST", uploadPath, body, "Content-Type", "multipart/form-data; boundary="+boundary)
		if got := w.serve(r); got.status == http.StatusOK {
			u := uploadedOf(t, got)
			// It is stored at once, or the next upload to the chat would wait 2 s to read it.
			w.store.chats[chat] = []store.Entry{{Message: messages.Message{ID: u.Media.ID}}}
			if u.Media.Size <= 0 || u.Media.Size > 4096 || strings.ContainsAny(u.Media.Filename, "/\\\x00\r\n") || !bytes.Contains([]byte(body), []byte("file")) {
				t.Errorf("%q was taken as %+v", body, u)
			}
		} else if got.status >= 500 {
			t.Errorf("%q: %d %s", body, got.status, got.body)
		}
		w.wantNoScratch(t)
	})
}
