package test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func badIdentifiers() []attack {
	body := said("id", `"`+marker+`"`)
	try := func(name, identifier, want string) attack {
		return attack{"identifier " + name, raw("POST /livechat/"+identifier, body, typeJSON), want}
	}
	const bad = "400 invalid_identifier identifier"
	return []attack{
		try("escaped", "b3JnMTIzOnVzZXI0NTY6bGMtNzg%35", "200"),
		try("escaped twice", "b3JnMTIzOnVzZXI0NTY6bGMtNzg%2535", bad),
		try("with %2F", "bz8%2FOnU6bA%3D%3D", "200"),
		try("with %2F that is too much", identifier+"%2F", bad),
		try("with %00", identifier+"%00", bad),
		try("with %0A", identifier+"%0A", bad),
		try("with % alone", identifier+"%", "400"),
		try("not UTF-8", identifier+"\xff", bad),
		try("of 4 KB", strings.Repeat("YTpi", 1024), bad),
		try("of 20 KB", strings.Repeat("%41", 20<<10/3), bad),
		try("without", "", bad),
		try("that is no base64", "org123:user456:lc-789", bad),
		try("with padding too much", identifier+"=", bad),
		try("in both alphabets", "bz8-OnU_Yg+", bad),
		try("with trailing bits", "YTpiOmN", bad),
		try("with NUL inside", "YTpiOgA", bad),
		try("with two parts", "YTpi", bad),
		try("with four parts", "YTpiOmM6ZA", bad),
		try("with an empty part", "YTo6Yw", bad),
		try("with slash", identifier+"/", bad),
		try("after dots", "../livechat/"+identifier, bad),
		try("after two slashes", "/"+identifier, bad),
		try("and a fragment", identifier+"#x", bad),
		try("and parameters", identifier+";a=b", bad),
	}
}

func badJSON() []attack {
	body := func(name, body, want string) attack {
		return attack{"JSON " + name, raw(receive, body, typeJSON), want}
	}
	text := `"` + marker + `"`
	var keys strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&keys, `"%d":0,`, i)
	}
	return []attack{
		body("10,001 deep", `{"x":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)+"}", "400 invalid_json"),
		body("10,001 deep and open", strings.Repeat(`{"a":`, 10_001), "400 invalid_json"),
		body("of 1,000,000 keys", "{"+keys.String()+`"z":0}`, "413 payload_too_large"),
		body("of 90,000 keys", "{"+keys.String()[:900_000]+`"z":0}`, "400 missing_field event"),
		body("with a name twice", strings.Replace(said("m", text), `"id":"m"`, `"id":"m","id":"n"`, 1), "400 invalid_json message.id"),
		body("with a secret name twice", `{"`+marker+`":1,"`+marker+`":2}`, "400 invalid_json"),
		body("with 1e400 for a text", said("m", "1e400"), "400 invalid_field message.text"),
		body("with a lone surrogate", said("m", `"`+marker+`\ud800"`), "400 invalid_json message.text"),
		body("with bytes that are no UTF-8", said("m", `"`+marker+"\xff\""), "400 invalid_json message.text"),
		body("with a NUL in a text", said("m", `"`+marker+`\u0000"`), "400 invalid_field message.text"),
		body("with a NUL in an id", said(`m\u0000`, text), "400 invalid_field message.id"),
		body("with a bare NUL", said("m", "\"\x00\""), "400 invalid_json message.text"),
		body("after a byte-order mark", "\ufeff"+said("m", text), "400 invalid_json"),
		body("and text", said("m", text)+marker, "400 invalid_json"),
		body("and another document", said("m", text)+said("n", text), "400 invalid_json"),
		body("in UTF-16", "{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", "400 invalid_json"),
		body("empty", "", "400 invalid_json"),
		body("null", "null", "400 invalid_json"),
		body("array", "["+said("m", text)+"]", "400 invalid_json"),
		body("text", text, "400 invalid_json"),
		body("cut", said("m", text)[:100], "400 invalid_json message.text"),
		body("with a text of 33 KiB", said("m", `"`+marker+strings.Repeat("x", 33<<10)+`"`), "400 field_too_long message.text"),
		body("with a time that is none", strings.Replace(said("m", text), "2024-01-15T10:32:00Z", marker, 1), "400 invalid_field message.created_at"),
		body("with other types", `{"event":"incoming_message","chat_id":{"`+marker+`":1}}`, "400 invalid_field chat_id"),
		body("with an unknown event", `{"event":`+text+`,"chat_id":5}`, "200"),
		{"receipt with an unknown status", raw(delivery, `{"message_id":"m","chat_id":"c","status":`+text+`}`, typeJSON), "400 invalid_field status"},
		{"receipt without a message", raw(delivery, `{"chat_id":"c","status":"read"}`, typeJSON), "400 missing_field message_id"},
	}
}

func badQueries() []attack {
	query := func(more, want string) attack { return attack{"query " + more, raw(fetch+more, "{}", typeJSON), want} }
	window := func(from, to, want string) attack {
		return attack{"window", raw(fetch, `{"from_timestamp":"`+from+`","to_timestamp":"`+to+`"}`, typeJSON), want}
	}
	message := said("m", `"`+marker+`"`)
	return []attack{
		query("&limit=0", "400 invalid_query limit"),
		query("&limit=101", "400 invalid_query limit"),
		query("&limit=-1", "400 invalid_query limit"),
		query("&limit=1e1", "400 invalid_query limit"),
		query("&limit=%31", "200"),
		query("&limit=99999999999999999999", "400 invalid_query limit"),
		query("&limit="+marker, "400 invalid_query limit"),
		query("&limit=1&limit=1", "400 invalid_query limit"),
		query("&chat_id="+marker, "400 invalid_query chat_id"),
		query("&action=", "400 invalid_query action"),
		query("&cursor="+marker, "400 invalid_query cursor"),
		query("&utm=a&utm=b", "200"),
		query("&a=%zz", "400 invalid_query"),
		query(";a=b", "400 invalid_query"),
		query("&a=\x01", "400"),
		window("2024-01-15T10:30:01Z", "2024-01-15T10:30:00Z", "400 invalid_field from_timestamp"),
		window("2024-01-15T10:30:01Z", marker, "400 invalid_field to_timestamp"),
		window("2024-02-30T00:00:00Z", "2024-03-01T00:00:00Z", "400 invalid_field from_timestamp"),
		{"unknown chat", raw(receive+"?action=fetch_messages&chat_id="+marker, "{}", typeJSON), "404 chat_not_found"},
		{"no chat", raw(receive+"?action=fetch_messages", "{}", typeJSON), "400 missing_field chat_id"},
		{"NUL in the chat", raw(receive+"?action=fetch_messages&chat_id=%00", "{}", typeJSON), "400 invalid_query chat_id"},
		{"unknown action", raw(receive+"?action="+marker, message, typeJSON), "400 unknown_action action"},
		{"no type", raw(receive, message), "415 unsupported_content_type Content-Type"},
		{"other type", raw(receive, message, "Content-Type: text/"+marker), "415 unsupported_content_type Content-Type"},
		{"other charset", raw(receive, message, typeJSON+"; charset=utf-16"), "415 unsupported_content_type Content-Type"},
		{"gzip bomb", raw(receive, "\x1f\x8b\x08"+strings.Repeat("\x00", 1000), typeJSON, "Content-Encoding: gzip"), "415 unsupported_content_encoding"},
		{"10,000 headers", raw(receive, message, slices.Repeat([]string{"X-A: " + marker}, 10_000)...), "431"},
		{"header of 40 KB", raw(receive, message, "X-A: "+strings.Repeat(marker, 40<<10/len(marker))), "431"},
	}
}

func badMethodsAndPaths() []attack {
	body := said("m", `"`+marker+`"`)
	attacks := []attack{
		{"OPTIONS *", raw("OPTIONS *", ""), "404 not_found"},
		{"CONNECT", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", "404 not_found"},
		{"POST a file", raw("POST /media/media_"+marker, body), "405 method_not_allowed"},
		{"DELETE a thumbnail", raw("DELETE /media/x/thumbnail", ""), "405 method_not_allowed"},
		{"file outside", raw("GET /media/..%2f..%2fetc%2fpasswd", ""), "404 media_not_found"},
		{"file with NUL", raw("GET /media/%00", ""), "404 media_not_found"},
		{"nobody's file", raw("GET /media/media_"+marker+".png", ""), "404 media_not_found"},
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "TRACE", "post", "BREW"} {
		attacks = append(attacks, attack{method, raw(method+" /livechat/"+identifier, body, typeJSON, "X-Told: "+marker), "405 method_not_allowed"},
			attack{method + " webhook", raw(method+" /webhooks/livechat/"+identifier, ""), "405 method_not_allowed"})
	}
	attacks = append(attacks, attack{"HEAD", raw("HEAD /livechat/"+identifier, ""), "405"}) // has no body
	for _, path := range []string{
		"/", "/livechat", "/webhooks", "/webhooks/" + identifier, "/media", "/media/", "/" + marker, "/metrics", "/debug/pprof/", "/..;/livechat/x",
		"//livechat/" + identifier, "//livechat/../livechat/" + identifier, "/./livechat/" + identifier, "/livechat%2F" + identifier,
		"/LiveChat/" + identifier, "/%6Civechat/" + identifier, `/livechat\` + identifier, "/%2e%2e/livechat/" + identifier,
	} {
		attacks = append(attacks, attack{path, raw("POST "+path, body, typeJSON), "404 not_found"})
	}
	return attacks
}

func badForms() []attack {
	part := func(disposition, content string) string {
		return "--edge\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n"
	}
	file, end := part(`name="file"; filename="`+marker+`"`, "some text of "+marker), "--edge--\r\n"
	form := func(name, body, want string) attack { return attack{"form " + name, raw(upFile, body, typeForm), want} }
	return []attack{
		form("good", file+end, "200"),
		form("of 1,001 parts", strings.Repeat(part(`name="x"`, marker), 1000)+file+end, "400 invalid_multipart"),
		form("without a file", part(`name="filename"`, marker)+end, "400 missing_field file"),
		form("with an empty file", part(`name="file"`, "")+end, "400 invalid_field file"),
		form("with two files", file+file+end, "400 invalid_multipart file"),
		form("inside a form", "--edge\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n"+end, "400 invalid_multipart"),
		form("cut", file, "400 incomplete_body"),
		form("and a MiB", file+end+strings.Repeat(marker, 1<<20/len(marker)), "400 invalid_multipart"),
		form("with a part of 10,000 headers", "--edge\r\n"+strings.Repeat("X-A: b\r\n", 10_000)+"\r\n"+marker+end, "400 invalid_multipart"),
		form("with HTML", part(`name="file"; filename="a.png"`, "<html><script>"+marker+"</script></html>")+end, "415 unsupported_media_type file"),
		form("of 12 MiB", part(`name="file"`, strings.Repeat("x", 12<<20))+end, "413 payload_too_large"),
		{"form without boundary", raw(upFile, file+end, "Content-Type: multipart/form-data"), "400 invalid_multipart Content-Type"},
		{"form with a long boundary", raw(upFile, file+end, typeForm+strings.Repeat("x", 70)), "400 invalid_multipart Content-Type"},
		{"JSON for a form", raw(upFile, "{}", typeJSON), "415 unsupported_content_type Content-Type"},
		{"form for JSON", raw(receive, file+end, typeForm), "415 unsupported_content_type Content-Type"},
		{"form for nobody's chat", raw(receive+"?action=upload_media&chat_id="+marker, file+end, typeForm), "404 chat_not_found"},
		{"form of 100 MB, declared", raw(upFile, file, typeForm, "Content-Length: 104857600"), "413 payload_too_large"},
	}
}

// TestBadInput holds S2, S4, S5, S7, S8 and S14 on the wire: every attack gets its answer, none makes the process keep
// memory, and nothing of what was sent is in the log.
func TestBadInput(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_LOG_LEVEL=debug"}, "serve")
	if got := ask(t, p, raw("POST /webhooks/livechat/"+identifier, spec(t, "receive-webhook.request"), typeJSON)); got.status != http.StatusOK {
		t.Fatal(got)
	}
	attacks := slices.Concat(badIdentifiers(), badJSON(), badQueries(), badMethodsAndPaths(), badForms())
	for _, a := range attacks {
		a.check(t, ask(t, p, a.raw))
	}
	before, known := resident(t, p)
	for range 2 {
		for _, a := range attacks {
			ask(t, p, a.raw)
		}
	}
	// One collection may be due: what is live twice (4 MiB at least) and the largest bodies that wait for it.
	if after, _ := resident(t, p); known && after-before > 32<<10 {
		t.Errorf("%d KiB of memory, %d more than before %d attacks", after, after-before, 2*len(attacks))
	} else {
		t.Logf("%d KiB of memory, %d more than before %d attacks", after, after-before, 2*len(attacks))
	}
	for _, word := range []string{marker, "panic", "goroutine ", "level=ERROR", "http: "} {
		if _, after, found := strings.Cut(p.printed(), word); found {
			t.Errorf("%q is in the log, then %.300q", word, after)
		}
	}
}

// resident is how much memory the process holds, in KiB, where the system tells.
func resident(t *testing.T, p *process) (kib int, known bool) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	kib, err = strconv.Atoi(strings.Fields(line)[0])
	return kib, err == nil
}

// TestEndlessUpload holds that a body is cut where it grows too large and not read to its end.
func TestEndlessUpload(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "serve")
	ask(t, p, raw("POST /webhooks/livechat/"+identifier, spec(t, "receive-webhook.request"), typeJSON))
	for _, a := range []attack{
		{"upload", raw(upFile, "", typeForm, "Transfer-Encoding: chunked"), "413 payload_too_large"},
		{"JSON", raw(receive, "", typeJSON, "Transfer-Encoding: chunked"), "413 payload_too_large"},
	} {
		conn := dial(t, p, limit)
		sent := make(chan int)
		go func() {
			head := "--edge\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"
			_, err := fmt.Fprintf(conn, "%s%x\r\n%s\r\n", a.raw, len(head), head)
			chunk, n := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("x", 64<<10)), 0
			for ; err == nil && n < 100<<20; n += 64 << 10 {
				_, err = io.WriteString(conn, chunk)
			}
			sent <- n
		}()
		got, err := answered(bufio.NewReader(conn), http.MethodPost)
		if err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		a.check(t, got)
		// The limit of 10 MiB, and what both sides of a connection may buffer.
		if n := <-sent; n > 40<<20 {
			t.Errorf("%s: %d bytes were taken before the connection was closed", a.name, n)
		}
	}
}

// TestForeignPages holds S12 on the wire: an origin that may not call is told so, and is never let to read.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	for mode, foreign := range map[string]string{"open": "403 origin_not_allowed", "accounts": "401 unauthorized"} {
		p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ACCESS=" + mode}, "serve")
		for _, origin := range []string{
			"null", "https://evil.example", "http://app.example.com", "https://app.example.com.evil.example",
			"https://app.example.com:444", "https://APP.example.com", "https://app.example.com/", "*", "https://app.example.com https://evil.example",
		} {
			for _, a := range []attack{
				{"preflight", raw("OPTIONS /livechat/"+identifier, "", "Origin: "+origin, "Access-Control-Request-Method: POST"), "403 origin_not_allowed"},
				{"call", raw(receive, said("m", `"t"`), typeJSON, "Origin: "+origin), foreign},
			} {
				got := ask(t, p, a.raw)
				a.name = mode + ", " + a.name + " from " + origin
				a.check(t, got)
				if got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Vary") != "Origin" {
					t.Errorf("%s: %v", a.name, got.header)
				}
			}
		}
	}
}

// TestRefusedCredentials holds S1 on the wire: whatever is wrong with the credentials, the answers are the same.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ACCESS=accounts"}
	p := start(t, env, "serve")
	ours, _, _ := command(t, env, "account", "add", "--org=org123", "--livechat=lc-789")
	theirs, _, _ := command(t, env, "account", "add", "--org=org", "--livechat=lc")
	ours, theirs = strings.TrimSpace(ours), strings.TrimSpace(theirs)
	const unknown = "POST /livechat/YTpiOmM"
	bearer := func(token string) string { return "Authorization: Bearer " + token }
	good := attack{"good", raw(receive, said("m", `"t"`), typeJSON, bearer(ours)), "200"}
	good.check(t, ask(t, p, good.raw))
	var first reply
	for i, request := range []string{
		raw(receive, "{}", typeJSON),
		raw(receive, "{}", typeJSON, bearer("")),
		raw(receive, "{}", typeJSON, bearer(ours+"x")),
		raw(receive, "{}", typeJSON, bearer(ours[:len(ours)-1])),
		raw(receive, "{}", typeJSON, bearer(strings.ToUpper(ours))),
		raw(receive, "{}", typeJSON, bearer(theirs)),
		raw(receive, "{}", typeJSON, bearer(strings.Repeat("x", 8<<10))),
		raw(receive, "{}", typeJSON, "Authorization: Basic "+ours),
		raw(receive, "{}", typeJSON, bearer(theirs), bearer(ours)),
		raw(receive, "{"+marker, typeJSON),
		raw(unknown, "{}", typeJSON, bearer(ours)),
		raw(unknown, "{}", typeJSON),
		raw(unknown+"?action=fetch_messages&chat_id=chat_abc123", "", bearer(theirs)),
		raw("POST /webhooks/livechat/"+identifier, "{}", typeJSON, bearer(theirs)),
		raw(fetch, "{}", typeJSON), raw(delivery, "{}", typeJSON), raw(upFile, "{}", typeForm), raw(receive+"?action="+marker, "{}"),
		raw("GET /livechat/"+identifier, ""),
	} {
		got := ask(t, p, request)
		maps.DeleteFunc(got.header, func(name string, _ []string) bool { return name == "Date" })
		if i == 0 {
			first = got
			attack{"first", request, "401 unauthorized"}.check(t, got)
		}
		if diff := cmp.Diff(first, got, cmp.AllowUnexported(reply{})); diff != "" {
			t.Errorf("%.100q (-first +got):\n%s", request, diff)
		}
	}
	if log := p.printed(); strings.Contains(log, ours) || strings.Contains(log, theirs) {
		t.Error("a token is in the log")
	}
}
