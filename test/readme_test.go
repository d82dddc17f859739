package test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// block is the first block of shell of a section of a page.
func block(t *testing.T, page, section string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	_, rest, shell := strings.Cut(rest, "```sh\n")
	lines, _, ends := strings.Cut(rest, "```")
	if !found || !shell || !ends {
		t.Fatalf("%s has no block in %q", page, section)
	}
	return lines
}

// walk types lines into a shell, as whoever reads them would, and gives the two streams.
func (o *office) walk(lines string) (out, errs string) {
	o.t.Helper()
	shell := exec.CommandContext(o.t.Context(), "/bin/sh", "-eu", "-c", lines)
	shell.Env = append(append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH")), o.env...)
	var outs, errors strings.Builder
	shell.Stdout, shell.Stderr = &outs, &errors
	if err := shell.Run(); err != nil {
		o.t.Fatalf("%v in\n%s\n%s%s", err, lines, outs.String(), errors.String())
	}
	return outs.String(), errors.String()
}

// TestRealLiveChatAsWritten types what the README and docs/livechat.md say into a shell, on a directory in which nothing
// has run: LiveChat's post to the URL that was registered gets 200 and is in history.
func TestRealLiveChatAsWritten(t *testing.T) {
	const host = "https://livepipe.example.com"
	for name, lines := range map[string]string{
		"README.md": block(t, "README.md", "With a real LiveChat"),
		"docs/livechat.md": block(t, "docs/livechat.md", "1. An account in livepipe") +
			"export LIVEPIPE_LIVECHAT_TOKEN=... LIVEPIPE_LIVECHAT_CLIENT_ID=" + appID + "\n" + block(t, "docs/livechat.md", "4. Register"),
	} {
		t.Run(name, func(t *testing.T) {
			o := emptyOffice(t)
			out, errs := o.walk(strings.NewReplacer("TOKEN=...", "TOKEN="+apiToken, "CLIENT_ID \\", appID+" \\", "https://YOUR-HOST", host).Replace(lines))
			token, _, _ := strings.Cut(out, "\n")
			hooks := o.server.Webhooks()
			if len(hooks) != chatActions || !strings.HasPrefix(token, "lp_") {
				t.Fatalf("%d webhooks, token %q\n%s", len(hooks), token, errs)
			}
			if path := strings.TrimPrefix(hooks[0].URL, host); !strings.Contains(errs, "https://YOUR-HOST"+path+"\n") {
				t.Errorf("account add does not say %s:\n%s", path, errs)
			}

			p := start(t, o.env, "serve")
			address, err := url.Parse(hooks[0].URL)
			if err != nil {
				t.Fatal(err)
			}
			body := fmt.Sprintf(`{"webhook_id":%q,"secret_key":%q,"action":"incoming_event","organization_id":"0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11",
				"payload":{"chat_id":"A","thread_id":"AT1","event":{"id":"AT1_1","type":"message","text":"hello","author_id":"smith@example.com",
				"visibility":"all","created_at":"2026-03-02T09:15:04.120301Z"}}}`, hooks[0].ID, hooks[0].Secret)
			if status, answer := post(t, p.URL+address.Path, body); status != http.StatusOK {
				t.Errorf("LiveChat's post: %d %s", status, answer)
			}
			fetch := p.URL + "/livechat/" + identifier + "?action=fetch_messages&chat_id=A"
			eventually(t, "the message is in history", func() bool {
				status, answer := post(t, fetch, "{}", "Authorization", "Bearer "+token)
				return status == http.StatusOK && strings.Contains(answer, "AT1_1")
			})
			if status, _ := post(t, fetch, "{}"); status != http.StatusUnauthorized {
				t.Errorf("without the token: %d; the README says that the first account ends the open access", status)
			}
		})
	}
}
