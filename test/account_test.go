package test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// desk is where an operator works on the accounts of one store.
type desk struct {
	t    *testing.T
	env  []string
	data string
	said strings.Builder // everything that was printed, except what is meant to be printed once
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	data := t.TempDir()
	d := &desk{t: t, data: data, env: []string{"LIVEPIPE_DATA=" + data}}
	if _, errs, code := command(t, d.env, "provision"); code != 0 {
		t.Fatal(errs)
	}
	return d
}

// account runs `livepipe account` with something on its standard input.
func (d *desk) account(stdin string, args ...string) (out, errs string, code int) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), binary, append([]string{"account"}, args...)...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdin = strings.NewReader(stdin)
	var outs, errors strings.Builder
	cmd.Stdout, cmd.Stderr = &outs, &errors
	cmd.Run() // its exit code is looked at
	if cmd.ProcessState == nil {
		d.t.Fatal("account did not start")
	}
	return outs.String(), errors.String(), cmd.ProcessState.ExitCode()
}

// does is account for what must work and prints nothing secret.
func (d *desk) does(stdin string, args ...string) string {
	d.t.Helper()
	out, errs, code := d.account(stdin, args...)
	if code != 0 {
		d.t.Fatalf("account %s: exit %d %s", strings.Join(args, " "), code, errs)
	}
	d.said.WriteString(out + errs)
	return out
}

// gives is account for what prints one secret, alone on the standard output.
func (d *desk) gives(form string, args ...string) string {
	d.t.Helper()
	out, errs, code := d.account("", args...)
	secret := strings.TrimSuffix(out, "\n")
	if code != 0 || !regexp.MustCompile(form).MatchString(secret) {
		d.t.Fatalf("account %s: exit %d, printed %q, want the form %s: %s", strings.Join(args, " "), code, out, form, errs)
	}
	d.said.WriteString(errs)
	return secret
}

// refuses is account for what must not work: exit 1 and one line that says something.
func (d *desk) refuses(stdin, says string, args ...string) {
	d.t.Helper()
	out, errs, code := d.account(stdin, args...)
	d.said.WriteString(out + errs)
	if code != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, says) || out != "" {
		d.t.Errorf("account %s: exit %d %q %q, want 1 and one line with %q", strings.Join(args, " "), code, out, errs, says)
	}
}

// row is the words of the first line of a table that has a word.
func row(table, word string) []string {
	for _, line := range strings.Split(table, "\n") {
		if strings.Contains(line, word) {
			return strings.Fields(line)
		}
	}
	return nil
}

const (
	tokenForm   = `^lp_[a-z2-7]{32}$`
	signingForm = `^whsec_[A-Za-z0-9+/]{43}=$`
)

var ours = []string{"--org=org123", "--livechat=lc-789"}

func on(verb string, flags ...string) []string {
	return append(append([]string{verb}, ours...), flags...)
}

// TestAccountLife walks through everything an operator does with one account. No secret is ever printed but once, and
// none stands in the store.
func TestAccountLife(t *testing.T) {
	d := newDesk(t)
	d.refuses("", "no account of org", on("show")...)
	d.refuses("", "no account of org", on("rotate")...)
	d.refuses("", "no account of org", on("remove")...)
	d.refuses("", "colon", "add", "--org=a:b", "--livechat=c")
	d.refuses("", "1 to 256 bytes", "add", "--org="+strings.Repeat("o", 257), "--livechat=c")

	secrets := []string{d.gives(tokenForm, on("add", "--organization-id=0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11")...)}
	again := func(form string, args ...string) { secrets = append(secrets, d.gives(form, args...)) }
	again(tokenForm, on("add")...)
	again(tokenForm, on("add", "--name=ci")...)
	d.refuses("", `token named "ci"`, on("add", "--name=ci")...)
	again(signingForm, on("add", "--signing")...)
	first, second, third := "secret-key-of-livechat-1", "secret-key-of-livechat-2", "whsec_"+base64.StdEncoding.EncodeToString([]byte("twenty-four bytes or more"))
	secrets = append(secrets, first, second, third)
	d.does(first+"\r\n", on("add", "--secret-key-file=-", "--webhook-id=hook1")...)
	d.does(first, on("add", "--secret-key-file=-", "--webhook-id=hook2")...)
	d.does("", on("add", "--name=billing", "--signing-file="+writeFile(t, "signing", third+"\n"))...)
	d.refuses(first, "has it already", on("add", "--secret-key-file=-", "--webhook-id=hook1")...)
	d.refuses(third, "has it already", on("add", "--signing-file=-")...)
	d.refuses("", "must be one line of 1 to 1024 bytes", on("add", "--secret-key-file=-")...)
	d.refuses(first, "must be whsec_ and the base64", on("add", "--signing-file=-")...)
	d.refuses(first, "one credential at a time", on("add", "--secret-key-file=-", "--signing")...)
	d.refuses("", "--origins[0] must be", on("add", "--origins=app.example.com")...)

	d.does("", on("add", "--requests-per-second=2.5", "--max-body=1000", "--max-upload=2000", "--origins=https://a.example,https://b.example", "--retention-days=90")...)
	d.does("", on("add", "--max-body=3000")...)
	shown := d.does("", on("show")...)
	for name, want := range map[string]string{
		"requests per second": "requests per second 2.5", "largest body": "largest body 3000 bytes", "largest upload": "largest upload 2000 bytes",
		"origins": "origins https://a.example https://b.example", "messages are kept": "messages are kept 90 days",
		"organization": "organization 0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11",
	} {
		if got := strings.Join(row(shown, name), " "); got != want {
			t.Errorf("show: %q, want %q", got, want)
		}
	}
	if list := row(d.does("", "list"), "org123"); len(list) != 7 || strings.Join(list[2:6], " ") != "0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11 3 2 2" {
		t.Errorf("list: %q, want 3 tokens, 2 secrets, 2 signing", list)
	}

	again(tokenForm, on("rotate", "--name=ci", "--overlap=1h")...)
	again(signingForm, on("rotate", "--kind=signing", "--name=billing", "--overlap=0")...)
	d.refuses("", "needs --secret-key-file", on("rotate", "--kind=secret")...)
	d.refuses("", `no token named "nobody"`, on("rotate", "--name=nobody")...)
	d.refuses("", "must not be negative", on("rotate", "--overlap=-1s")...)
	d.does(second, on("rotate", "--kind=secret", "--secret-key-file=-", "--webhook-id=hook3")...)
	d.refuses(third, "has it already", on("rotate", "--kind=signing", "--name=billing", "--signing-file=-")...)
	states := map[string]int{}
	shown = d.does("", on("show")...)
	for _, line := range strings.Split(shown, "\n") {
		if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[0], "cred_") {
			states[strings.Join([]string{f[1], f[2], f[len(f)-1]}, " ")]++
		}
	}
	want := map[string]int{
		"token default counts": 1, "token default-2 counts": 1, "token ci old": 1, "token ci counts": 1, "signing default counts": 1,
		"signing billing ended": 1, "signing billing counts": 1, "secret default old": 2, "secret default counts": 1,
	}
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("after rotations:\n%v, want\n%v", states, want)
	}

	id := row(shown, " default-2 ")[0]
	d.does("", on("remove", "--credential="+id)...)
	d.refuses("", "no credential", on("remove", "--credential="+id)...)
	d.noneOf(secrets)
	d.does("", on("remove")...)
	if list := d.does("", "list"); strings.Contains(list, "org123") {
		t.Errorf("list after removal: %s", list)
	}
}

// noneOf looks for secrets in everything printed and in every file.
func (d *desk) noneOf(secrets []string) {
	d.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(d.said.String(), secret) {
			d.t.Errorf("%.8s... was printed", secret)
		}
	}
	err := filepath.WalkDir(d.data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			if strings.Contains(string(content), secret) {
				d.t.Errorf("%.8s... stands in %s", secret, path)
			}
		}
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
}

// TestSealingKey: the first secret makes the key; twenty commands at once make one key; another key, a lost one and one
// that others can read are refused before anything is sealed with them.
func TestSealingKey(t *testing.T) {
	d := newDesk(t)
	key := filepath.Join(d.data, "secret.key")
	d.gives(tokenForm, on("add")...)
	if _, err := os.Stat(key); err == nil {
		t.Error("a token alone made a key")
	}
	var g errgroup.Group
	for i := range 20 {
		g.Go(func() error {
			out, errs, code := d.account(fmt.Sprint("secret-key-of-livechat-", i), on("add", "--secret-key-file=-")...)
			if code != 0 {
				return fmt.Errorf("exit %d %s%s", code, out, errs)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v %v, want mode 0600", info.Mode(), err)
	}
	shown := d.does("", on("show")...)
	if n := strings.Count(shown, " counts\n"); n != 21 {
		t.Errorf("%d credentials count, want 21:\n%s", n, shown)
	}

	add := on("add", "--secret-key-file=-")
	d.refuses("one more secret", "no key at", append(add, "--sealing-key-file="+filepath.Join(t.TempDir(), "elsewhere"))...)
	other := newDesk(t)
	other.does("a secret of another store", add...)
	d.refuses("one more secret", "sealed with another key", append(add, "--sealing-key-file="+filepath.Join(other.data, "secret.key"))...)
	if shown := d.does("", on("show", "--sealing-key-file="+filepath.Join(other.data, "secret.key"))...); strings.Count(shown, "sealed with another key\n") != 20 {
		t.Errorf("show with another key:\n%s", shown)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	d.refuses("one more secret", "chmod 600", add...)
}

// TestAccountImport: all faults at once and then nothing is done; each account whole; the same file twice changes nothing.
func TestAccountImport(t *testing.T) {
	d := newDesk(t)
	signing := "whsec_" + base64.StdEncoding.EncodeToString([]byte("twenty-four bytes or more"))
	file := `{"org":"org123","livechat":"lc-789","tokens":[{"token":"token-from-elsewhere"},{"name":"ci","sha256":"` + strings.Repeat("ab", 32) + `"}]}
{"org":"org123","livechat":"lc-2","organization_id":"organization2","secret_keys":[{"webhook_id":"hook1","secret":"secret-key-of-livechat"}],` +
		`"signing_secrets":[{"secret":"` + signing + `"}],"limits":{"retention_days":30}}` + "\n"
	out, errs, code := d.account(file+`{"org":"org123","livechat":"lc-3","tokens":[{"token":"short"}]}`+"\nhunter2", "import", "-")
	if code != 1 || out != "" || errs != "line 3: tokens[0].token must be 16 to 512 visible ASCII characters\nline 4: is no JSON from here on\nlivepipe: 2 faults in the file: nothing was imported\n" {
		t.Errorf("a file with faults: exit %d %q %q", code, out, errs)
	}
	if list := d.does("", "list"); strings.Contains(list, "org123") {
		t.Errorf("after a file with faults:\n%s", list)
	}
	path := writeFile(t, "accounts.json", file)
	for _, step := range []struct{ flag, says string }{
		{"--dry-run", "nothing was changed; an import would tell: accounts: 2 made, 0 changed, 0 as they were; credentials: 4 added, 0 there already"},
		{"", "accounts: 2 made, 0 changed, 0 as they were; credentials: 4 added, 0 there already"},
		{"", "accounts: 0 made, 0 changed, 2 as they were; credentials: 0 added, 4 there already"},
	} {
		args := []string{"import", path}
		if step.flag == "--dry-run" {
			args = append(args, step.flag)
		}
		if out := d.does("", args...); out != step.says+"\n" {
			t.Errorf("import %s: %q, want %q", step.flag, out, step.says)
		}
	}
	more := strings.Replace(file, `[{"token":`, `[{"name":"more","token":"one-more-token-of-theirs"},{"token":`, 1)
	if out := d.does(more, "import", "-"); out != "accounts: 0 made, 1 changed, 1 as they were; credentials: 1 added, 4 there already\n" {
		t.Errorf("one more token: %q", out)
	}
	out, errs, code = d.account(strings.Replace(strings.Replace(file, "organization2", "organization3", 1), "token-from-elsewhere", "another-token-of-theirs", 1), "import", "-")
	if code != 1 || out != "" || strings.Count(errs, "\n") != 3 || !strings.Contains(errs, "line 1: tokens[0].name is the name of another credential") ||
		!strings.Contains(errs, "line 2: organization_id differs") {
		t.Errorf("against the store: exit %d %q %q", code, out, errs)
	}
	d.gives(tokenForm, on("rotate", "--overlap=0")...)
	if out := d.does("", "import", path); !strings.Contains(out, "0 added, 4 there already") {
		t.Errorf("a rotated-out token came back: %q", out)
	}
	d.said.WriteString(errs)
	d.noneOf([]string{"token-from-elsewhere", "another-token-of-theirs", "secret-key-of-livechat", signing})

	p := start(t, d.env, "serve")
	url, body := p.URL+"/livechat/"+identifier, spec(t, "receive-message.request")
	for token, want := range map[string]int{"one-more-token-of-theirs": http.StatusOK, "token-from-elsewhere": http.StatusUnauthorized} {
		if status, answer := post(t, url, body, "Authorization", "Bearer "+token); status != want {
			t.Errorf("%s: %d %s, want %d", token, status, answer, want)
		}
	}
}

// TestAccountCommandsTeach: each --help has an explanation and names its flags.
func TestAccountCommandsTeach(t *testing.T) {
	for verb, says := range map[string][]string{
		"add":    {"--secret-key-file", "--signing", "--retention-days", "LIVEPIPE_SECRET_KEY_FILE", "printed once"},
		"list":   {"TOKENS, SECRETS and SIGNING"},
		"show":   {"STATE"},
		"rotate": {"--overlap", "After a leak use --overlap=0"},
		"remove": {"--credential", "within 30 seconds"},
		"import": {"--dry-run", `"secret_keys"`},
	} {
		out, errs, code := command(t, nil, "account", verb, "--help")
		for _, part := range says {
			if code != 0 || !strings.Contains(out, part) {
				t.Errorf("account %s --help: exit %d, no %q in\n%s%s", verb, code, part, out, errs)
			}
		}
	}
}
