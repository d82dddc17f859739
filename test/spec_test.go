package test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// identifier is the spec's own.
const identifier = "b3JnMTIzOnVzZXI0NTY6bGMtNzg5"

// spec reads an example of the contract.
func spec(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "spec", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func compact(t *testing.T, s string) string {
	t.Helper()
	v := jsontext.Value(s)
	if err := v.Compact(); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return string(v)
}

func specExamples(t *testing.T, s stack) {
	askSpecExamples(t, s.open(t, nil).ingress.URL, s.remote)
}

// askSpecExamples sends the contract's examples, and wants its answers byte for byte.
func askSpecExamples(t *testing.T, url string, remote bool) {
	t.Helper()
	status, answer := post(t, url+"/webhooks/livechat/"+identifier, spec(t, "receive-webhook.request"))
	if diff := cmp.Diff(compact(t, spec(t, "receive-webhook.response")), compact(t, answer)); status != 200 || diff != "" {
		t.Errorf("receive on the webhook path: %d (-want +got):\n%s", status, diff)
	}

	status, answer = post(t, url+"/livechat/"+identifier, spec(t, "receive-message.request"))
	queuedAt := regexp.MustCompile(`"queuedAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	want := queuedAt.ReplaceAllString(compact(t, spec(t, "receive-message.response")), `"queuedAt":"T"`)
	if diff := cmp.Diff(want, queuedAt.ReplaceAllString(compact(t, answer), `"queuedAt":"T"`)); status != 200 || diff != "" {
		t.Errorf("receive: %d (-want +got):\n%s", status, diff)
	}

	status, answer = post(t, url+"/livechat/"+identifier+"?action=delivery_status", spec(t, "delivery-status.request"))
	if diff := cmp.Diff(compact(t, spec(t, "delivery-status.response")), compact(t, answer)); status != 200 || diff != "" {
		t.Errorf("delivery status: %d (-want +got):\n%s", status, diff)
	}

	// At once, as a script would: whoever got a 200 for a message finds it in history. SNS and SQS may take longer than
	// ingress waits for them, and without order the later message may come first.
	fetch := func() {
		status, answer = post(t, url+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123&limit=20",
			spec(t, "fetch-messages.request"))
	}
	if fetch(); remote {
		eventually(t, "both messages stand in history", func() bool {
			fetch()
			return status == http.StatusOK && strings.Contains(answer, `"total":2`)
		})
	}
	if diff := cmp.Diff(compact(t, spec(t, "fetch-messages.response")), compact(t, answer)); status != 200 || diff != "" {
		t.Errorf("fetch: %d (-want +got):\n%s", status, diff)
	}
}

func TestSpecPreflight(t *testing.T) {
	url := stacks[0].open(t, nil).ingress.URL
	req, err := http.NewRequest(http.MethodOptions, url+"/livechat/"+identifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://app.example.com")
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "Content-Type")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || len(body) != 0 {
		t.Errorf("status %d with %d bytes, want 200 and none", resp.StatusCode, len(body))
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":  "https://app.example.com",
		"Access-Control-Allow-Methods": "POST, OPTIONS",
		"Access-Control-Allow-Headers": "Content-Type, Authorization",
		"Access-Control-Max-Age":       "86400",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSamplesAreTheSpecsExamples(t *testing.T) {
	url := stacks[0].open(t, nil).ingress.URL
	samples, err := filepath.Glob("../examples/*.json")
	if err != nil || len(samples) == 0 {
		t.Fatal("no samples", err)
	}
	out, errs, code := command(t, []string{"LIVEPIPE_URL=" + url}, append([]string{"send"}, samples...)...)
	if code != 0 {
		t.Fatalf("send: exit %d\n%s%s", code, out, errs)
	}
	if want := compact(t, spec(t, "fetch-messages.response")); !regexp.MustCompile(regexp.QuoteMeta(want)).MatchString(out) {
		t.Errorf("the last sample did not answer with the spec's history:\n%s", out)
	}
}

func TestHistorySurvivesKill(t *testing.T) {
	data := t.TempDir()
	p := start(t, []string{"LIVEPIPE_DATA=" + data}, "serve")
	for _, name := range []string{"receive-webhook", "receive-message"} {
		path := map[string]string{"receive-webhook": "/webhooks", "receive-message": ""}[name]
		if status, answer := post(t, p.URL+path+"/livechat/"+identifier, spec(t, name+".request")); status != 200 {
			t.Fatalf("%s: %d %s", name, status, answer)
		}
	}
	p.kill()
	p = start(t, []string{"LIVEPIPE_DATA=" + data}, "serve")
	var status int
	var answer string
	eventually(t, "both messages are in history again", func() bool {
		status, answer = post(t, p.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123", "{}")
		return status == 200 && compact(t, answer) == compact(t, spec(t, "fetch-messages.response"))
	})
}
