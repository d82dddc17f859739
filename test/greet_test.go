package test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// tryPrinted runs the curl that a process prints at its start, in the shell's stead.
func tryPrinted(t *testing.T, p *process) (status int, answer string) {
	t.Helper()
	curl := regexp.MustCompile(`(?m)^ *try +curl -X POST (\S+) (.*) -d '([^']*)'$`).FindStringSubmatch(p.printed())
	if curl == nil {
		t.Fatalf("no curl to try:\n%s", p.printed())
	}
	var headers []string
	for _, h := range regexp.MustCompile(`-H (?:'([^']*)'|"([^"]*)")`).FindAllStringSubmatch(curl[2], -1) {
		name, value, _ := strings.Cut(h[1]+os.ExpandEnv(h[2]), ": ")
		headers = append(headers, name, value)
	}
	return post(t, curl[1], curl[3], headers...)
}

// TestPrintedCurlSpoilsNoExample: who tries what the first lines say and then the contract's examples gets its answers.
func TestPrintedCurlSpoilsNoExample(t *testing.T) {
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "serve")
	if status, answer := tryPrinted(t, p); status != http.StatusOK {
		t.Fatalf("the printed curl: %d %s", status, answer)
	}
	askSpecExamples(t, p.URL, false)
}

// TestPrintedCurlIsLetIn: where accounts are wanted, what is printed has a place for the token.
func TestPrintedCurlIsLetIn(t *testing.T) {
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ACCESS=accounts"}
	if out, errs, code := command(t, env, "provision"); code != 0 {
		t.Fatalf("provision: %s%s", out, errs)
	}
	token, errs, code := command(t, env, "account", "add", "--org=org123", "--livechat=lc-789")
	if code != 0 {
		t.Fatalf("account add: %s", errs)
	}
	t.Setenv("TOKEN", strings.TrimSpace(token))
	p := start(t, env, "serve")
	if status, answer := tryPrinted(t, p); status != http.StatusOK {
		t.Errorf("the printed curl: %d %s", status, answer)
	}
}

// TestWorkersSayWhatTheyRun: which workers, and from which bus.
func TestWorkersSayWhatTheyRun(t *testing.T) {
	data := t.TempDir()
	env := append(sharedBroker(t, data), "LIVEPIPE_DATA="+data)
	p := start(t, env, "router", "--workers=media,history")
	if want := "  workers  history, media; bus nats://127.0.0.1:"; !strings.Contains(p.printed(), want) {
		t.Errorf("no %q in\n%s", want, p.printed())
	}
}
