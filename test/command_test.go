package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAccounts holds LIVEPIPE_ACCESS=auto: open on loopback until the first account was ever made.
func TestAccounts(t *testing.T) {
	env := []string{"LIVEPIPE_DATA=" + t.TempDir()}
	p := start(t, env, "serve")
	url, body := p.URL+"/livechat/"+identifier, spec(t, "receive-message.request")
	if status, answer := post(t, url, body); status != http.StatusOK {
		t.Fatalf("before the first account: %d %s", status, answer)
	}
	token, errs, code := command(t, env, "account", "add", "--org=org123", "--livechat=lc-789")
	if token = strings.TrimSpace(token); code != 0 || token == "" {
		t.Fatalf("account add: exit %d %s", code, errs)
	}
	other, _, _ := command(t, env, "account", "add", "--org=other", "--livechat=lc-789")
	for name, c := range map[string]struct {
		bearer string
		status int
	}{
		"no token":                   {"", 401},
		"the account's token":        {token, 200},
		"another account's token":    {strings.TrimSpace(other), 401},
		"the token with a tail":      {token + "x", 401},
		"a token that never existed": {"lp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 401},
	} {
		var headers []string
		if c.bearer != "" {
			headers = []string{"Authorization", "Bearer " + c.bearer}
		}
		if status, answer := post(t, url, body, headers...); status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, answer, c.status)
		}
	}
	if list, _, _ := command(t, env, "account", "list"); !strings.Contains(list, "org123") || strings.Contains(list, token) {
		t.Errorf("account list: %s", list)
	}
	if _, errs, code := command(t, env, "account", "remove", "--org=org123", "--livechat=lc-789"); code != 0 {
		t.Errorf("account remove: %s", errs)
	}
	removed := time.Now()
	eventually(t, "a removed account's token is refused", func() bool {
		status, _ := post(t, url, body, "Authorization", "Bearer "+token)
		return status == http.StatusUnauthorized
	})
	if took := time.Since(removed); took > 30*time.Second {
		t.Errorf("a removed account's token counted for %s more, want 30 s at most", took)
	}
}

// TestCommandsExplainThemselves: wrong use ends with a code, one clear line, and no stack.
func TestCommandsExplainThemselves(t *testing.T) {
	data := t.TempDir()
	env := []string{"LIVEPIPE_DATA=" + data}
	bad := writeFile(t, "bad.yaml", "rules:\n  - {name: a, when: 'message.txt == 1', to: [nowhere]}\n")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown command":        {[]string{"fly"}, 2, "livepipe --help"},
		"unknown worker":         {[]string{"serve", "--workers=history,cooking"}, 1, "history, delivery, routing, dispatch, media"},
		"rules that do not hold": {[]string{"routes", "check", bad}, 1, "nowhere"},
		"serve with bad rules":   {[]string{"serve", "--routes=" + bad}, 1, "nowhere"},
		"no schema yet":          {[]string{"account", "list"}, 1, "livepipe provision"},
		"no ingress to send to":  {[]string{"send", "--url=http://127.0.0.1:1", "../examples/1-incoming-chat.json"}, 1, "livepipe serve"},
		"unknown bus":            {[]string{"serve", "--bus=kafka"}, 1, "LIVEPIPE_BUS"},
		"hardly any grace":       {[]string{"serve", "--grace=10ms"}, 1, "LIVEPIPE_GRACE"},
		"a grace that is over":   {[]string{"router", "--grace=-1s"}, 1, "LIVEPIPE_GRACE"},
		"a broker without grace": {[]string{"broker", "--nats-listen=127.0.0.1:0", "--grace=10ms"}, 1, "LIVEPIPE_GRACE"},
		"no concurrency":         {[]string{"serve", "--concurrency=0"}, 1, "LIVEPIPE_CONCURRENCY"},
		"no address for calls":   {[]string{"ingress", "--addr="}, 1, "LIVEPIPE_ADDR"},
		"no address at all":      {[]string{"serve", "--addr=nonsense"}, 1, "LIVEPIPE_ADDR"},
		"no port":                {[]string{"serve", "--addr=127.0.0.1:"}, 1, "LIVEPIPE_ADDR"},
		"no such port":           {[]string{"serve", "--addr=127.0.0.1:65536"}, 1, "LIVEPIPE_ADDR"},
		"no address for admin":   {[]string{"serve", "--admin-addr=8081"}, 1, "LIVEPIPE_ADMIN_ADDR"},
		"no address for NATS":    {[]string{"serve", "--nats-listen=4222"}, 1, "LIVEPIPE_NATS_LISTEN"},
		"no time to publish":     {[]string{"serve", "--publish-timeout=0"}, 1, "publish timeout"},
		"no size of an upload":   {[]string{"serve", "--max-upload=0"}, 1, "upload limit"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			out, errs, code := command(t, append(env, "LIVEPIPE_DATA="+data), c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit %d, want %d, and an error that says %q:\n%s%s", code, c.code, c.says, out, errs)
			}
			if strings.Contains(errs, "goroutine ") || strings.Contains(errs, ".go:") {
				t.Errorf("a stack for the user:\n%s", errs)
			}
			if opened, err := os.ReadDir(filepath.Join(data, "bus")); err == nil {
				t.Errorf("the broker was opened before the settings were read: %v", opened)
			}
		})
	}
}

func TestCommandsThatOnlyShow(t *testing.T) {
	good := writeFile(t, "routes.yaml", "rules:\n  - {name: all, when: 'true', to: [log]}\n")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"help":         {[]string{"--help"}, "LIVEPIPE_ACCESS"},
		"routes":       {[]string{"routes"}, "livechat.message.received.v1"},
		"routes check": {[]string{"routes", "check", good}, "ok"},
		"config":       {[]string{"config"}, "LIVEPIPE_ADDR=127.0.0.1:8080"},
		"version":      {[]string{"version"}, "livepipe"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := command(t, []string{"LIVEPIPE_NATS_TOKEN=hunter2"}, c.args...)
			if code != 0 || !strings.Contains(out, c.says) || strings.Contains(out, "hunter2") {
				t.Errorf("exit %d, want an output with %q:\n%s%s", code, c.says, out, errs)
			}
		})
	}
}

// TestOneBrokerForEachDirectory: two embedded brokers on one directory would destroy it.
func TestOneBrokerForEachDirectory(t *testing.T) {
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ADDR=127.0.0.1:0", "LIVEPIPE_ADMIN_ADDR=127.0.0.1:0"}
	start(t, env, "serve")
	if _, errs, code := command(t, env, "serve"); code != 1 || !strings.Contains(errs, "set LIVEPIPE_DATA") {
		t.Errorf("second serve: exit %d %s", code, errs)
	}
}

// TestFirstCommandMakesTheStore, where it is the default one and is not there: nothing else makes or changes one.
func TestFirstCommandMakesTheStore(t *testing.T) {
	accounts := writeFile(t, "accounts.json", `{"org":"org123","livechat":"lc-789"}`)
	for name, c := range map[string]struct {
		args []string
		env  string
		code int
	}{
		"account add":              {args: on("add")},
		"account import":           {args: []string{"import", accounts}},
		"an import that is dry":    {args: []string{"import", accounts, "--dry-run"}, code: 1},
		"account show":             {args: on("show"), code: 1},
		"a store that has a name":  {args: on("add"), env: "LIVEPIPE_STORE=sqlite:" + filepath.Join(t.TempDir(), "typo.db"), code: 1},
		"a store of no schema yet": {args: on("add"), code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			file := filepath.Join(data, "livepipe.db")
			if strings.Contains(name, "no schema") {
				if err := os.Mkdir(data, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := []string{"LIVEPIPE_DATA=" + data, c.env}
			_, errs, code := command(t, env, append([]string{"account"}, c.args...)...)
			if code != c.code || code == 0 && !strings.Contains(errs, "Made the store "+file) || code == 1 && !strings.Contains(errs, "livepipe provision") {
				t.Errorf("exit %d, want %d: %s", code, c.code, errs)
			}
			if code != 0 {
				return
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the store: %v %v", info, err)
			}
			if list, errs, _ := command(t, env, "account", "list"); !strings.Contains(list, "org123") {
				t.Errorf("list: %s%s", list, errs)
			}
			if _, errs, code := command(t, env, append([]string{"account"}, on("add")...)...); code != 0 || strings.Contains(errs, "Made") || strings.Contains(errs, "first account") {
				t.Errorf("a second time: exit %d %s", code, errs)
			}
		})
	}
}
