package test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// uploaded is the answer to an upload.
type uploaded struct {
	Status string `json:"status"`
	Media  struct {
		ID          string `json:"id"`
		URL         string `json:"url"`
		Filename    string `json:"filename"`
		ContentType string `json:"content_type"`
		Size        int    `json:"size"`
	} `json:"media"`
}

// upload posts a file as the spec's curl does: file, filename, content_type.
func upload(t testing.TB, url, chat, name, contentType string, file []byte, headers ...string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	form.WriteField("filename", name)
	form.WriteField("content_type", contentType)
	form.Close()
	req, err := http.NewRequest(http.MethodPost, url+"/livechat/"+identifier+"?action=upload_media&chat_id="+chat, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// photo is a JPEG with a comment in it that nobody may ever see again.
func photo(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for x := range 640 {
		for y := range 480 {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x ^ y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	const secret = "GPS 52.2297N 21.0122E"
	comment := append([]byte{0xff, 0xfe, 0, byte(len(secret) + 2)}, secret...)
	return append(append(bytes.Clone(b.Bytes()[:2]), comment...), b.Bytes()[2:]...)
}

func uploads(t *testing.T, s stack) {
	url := s.open(t, nil).ingress.URL
	picture := photo(t)

	if status, answer := upload(t, url, "chat_nobody", "a.jpg", "image/jpeg", picture); status != http.StatusNotFound {
		t.Errorf("upload to an unknown chat: %d %s", status, answer)
	}
	post(t, url+"/webhooks/livechat/"+identifier, spec(t, "receive-webhook.request"))
	status, answer := upload(t, url, "chat_abc123", "screenshot.jpg", "image/jpeg", picture)
	var up uploaded
	if err := json.Unmarshal([]byte(answer), &up); err != nil || status != http.StatusOK {
		t.Fatalf("upload: %d %s", status, answer)
	}
	m := up.Media
	if up.Status != "uploaded" || m.Filename != "screenshot.jpg" || m.ContentType != "image/jpeg" || m.Size != len(picture) {
		t.Errorf("the answer does not describe what was received: %s", answer)
	}
	// The URL is under LIVEPIPE_MEDIA_URL; this ingress serves the same path.
	path := m.URL[strings.Index(m.URL, "/media/"):]
	var served string
	eventually(t, "the file is released", func() bool {
		code, header, body := get(t, url+path)
		served = body
		return code == http.StatusOK && header.Get("Content-Type") == "image/jpeg" &&
			header.Get("X-Content-Type-Options") == "nosniff" && header.Get("ETag") != ""
	})
	if strings.Contains(served, "GPS") {
		t.Error("the comment of the picture is served")
	}
	if _, err := jpeg.Decode(strings.NewReader(served)); err != nil {
		t.Errorf("the served picture does not decode: %v", err)
	}
	eventually(t, "the upload stands in history as a file", func() bool {
		_, answer := post(t, url+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123", "")
		return strings.Contains(answer, `"type":"file"`) && strings.Contains(answer, m.ID) && strings.Contains(answer, "thumbnail_url")
	})
}

func TestUploadRefusals(t *testing.T) {
	url := stacks[0].open(t, nil).ingress.URL
	post(t, url+"/webhooks/livechat/"+identifier, spec(t, "receive-webhook.request"))
	for name, c := range map[string]struct {
		file   []byte
		status int
		says   string
	}{
		"HTML as PNG": {[]byte("<!DOCTYPE html><script>alert(1)</script>"), 415, "text/html"},
		"SVG":         {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), 415, "image/svg+xml"},
		"executable":  {append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 100)...), 415, "x-"},
		"too large":   {make([]byte, 11<<20), 413, "too_large"},
		"empty":       {nil, 400, "file"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := upload(t, url, "chat_abc123", "screenshot.png", "image/png", c.file)
			if status != c.status || !strings.Contains(answer, c.says) {
				t.Errorf("got %d %s, want %d that says %q", status, answer, c.status, c.says)
			}
		})
	}
}
