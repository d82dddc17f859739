package secrets

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const plain = "s3cr3t of LiveChat ✓"

var (
	tenant     = messages.Tenant{Org: "org1", LiveChat: "lc1"}
	credential = store.Credential{ID: "cred_1", Kind: store.LiveChatKey, Name: "default"}
)

func load(t *testing.T) *Key {
	t.Helper()
	key, err := Load(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sealed is the credential with the secret in it.
func sealed(key *Key, c store.Credential, text string) store.Credential {
	c.Sealed = key.Seal(tenant, c, text)
	return c
}

func TestASecretComesBack(t *testing.T) {
	key := load(t)
	for _, text := range []string{plain, "", "a\x00b", strings.Repeat("long", 10_000)} {
		c := sealed(key, credential, text)
		if got, err := key.Open(tenant, c); got != text || err != nil {
			t.Errorf("%d bytes came back as %d, %v", len(text), len(got), err)
		}
		if len(text) > 4 && strings.Contains(string(c.Sealed), text[:4]) {
			t.Errorf("the sealed form of %d bytes shows them", len(text))
		}
	}
	if again := key.Seal(tenant, credential, plain); slices.Equal(again, key.Seal(tenant, credential, plain)) {
		t.Error("the same secret sealed twice is the same bytes: it tells who has equal secrets")
	}
}

// TestARenamedSecretStillOpens: the name, the registration and the times of a credential may change.
func TestARenamedSecretStillOpens(t *testing.T) {
	key := load(t)
	c := sealed(key, credential, plain)
	c.Name, c.WebhookID, c.RotatedAt = "other", "webhook", c.AddedAt.AddDate(1, 0, 0)
	if got, err := key.Open(tenant, c); got != plain || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestASecretIsBoundToItsPlace: who can write to the store cannot make one account's secret another's.
func TestASecretIsBoundToItsPlace(t *testing.T) {
	key := load(t)
	for name, move := range map[string]func(*messages.Tenant, *store.Credential){
		"another organisation":      func(of *messages.Tenant, _ *store.Credential) { of.Org = "org2" },
		"another livechat id":       func(of *messages.Tenant, _ *store.Credential) { of.LiveChat = "lc2" },
		"names that join the same":  func(of *messages.Tenant, _ *store.Credential) { of.Org, of.LiveChat = "org1l", "c1" },
		"another credential":        func(_ *messages.Tenant, c *store.Credential) { c.ID = "cred_2" },
		"another kind of the proof": func(_ *messages.Tenant, c *store.Credential) { c.Kind = store.SigningSecret },
	} {
		of, c := tenant, sealed(key, credential, plain)
		move(&of, &c)
		if got, err := key.Open(of, c); err == nil || got != "" || errors.Is(err, ErrOtherKey) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAnotherKeyIsToldFromDamage(t *testing.T) {
	c := sealed(load(t), credential, plain)
	if got, err := load(t).Open(tenant, c); !errors.Is(err, ErrOtherKey) || got != "" {
		t.Errorf("%q, %v, want ErrOtherKey", got, err)
	}
}

// TestDamageIsSeen tries every bit and every length. No error quotes the secret.
func TestDamageIsSeen(t *testing.T) {
	key := load(t)
	whole := sealed(key, credential, plain).Sealed
	refused := func(what string, n int, bytes []byte) {
		t.Helper()
		c := credential
		c.Sealed = bytes
		got, err := key.Open(tenant, c)
		if err == nil || got != "" || strings.Contains(err.Error(), plain[:6]) {
			t.Errorf("%s %d: %q, %v", what, n, got, err)
		}
	}
	for i := range whole {
		for bit := range 8 {
			damaged := slices.Clone(whole)
			damaged[i] ^= 1 << bit
			refused("bit", i*8+bit, damaged)
		}
		refused("length", i, whole[:i])
	}
	refused("length", len(whole)+1, append(slices.Clone(whole), 0))
}

// TestEverybodyReadsTheKeyOfWhoeverWasFirst: twenty processes that start together, without a file.
func TestEverybodyReadsTheKeyOfWhoeverWasFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	path := filepath.Join(dir, "secret.key")
	keys := make([]*Key, 20)
	var g errgroup.Group
	for i := range keys {
		g.Go(func() (err error) {
			keys[i], err = Load(path)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	c := sealed(keys[0], credential, plain)
	for i, key := range keys {
		if got, err := key.Open(tenant, c); got != plain || err != nil {
			t.Errorf("process %d: %q, %v", i, got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v, want mode 0600", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v, want mode 0700", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// TestAKeyThatIsNone: every refusal is one line that names the file and the setting, and quotes nothing.
func TestAKeyThatIsNone(t *testing.T) {
	const good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" // 0 to 31
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"as it is made":            {good + "\n", 0o600, ""},
		"read-only":                {good, 0o400, ""},
		"its group can read it":    {good, 0o640, "chmod 600"},
		"its group can write it":   {good, 0o620, "chmod 600"},
		"everybody can read it":    {good, 0o604, "chmod 600"},
		"empty":                    {"", 0o600, "base64 of 32 random bytes"},
		"31 bytes":                 {base64.StdEncoding.EncodeToString(make([]byte, 31)), 0o600, "base64 of 32 random bytes"},
		"33 bytes":                 {base64.StdEncoding.EncodeToString(make([]byte, 33)), 0o600, "base64 of 32 random bytes"},
		"no base64":                {"hunter2 hunter2", 0o600, "base64 of 32 random bytes"},
		"a file of something else": {strings.Repeat("hunter2\n", 1<<17), 0o600, "base64 of 32 random bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret.key")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			_, err := Load(path)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range []string{c.says, path, "LIVEPIPE_SECRET_KEY_FILE"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), good[:8]) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q quotes the file", err)
			}
			if text, _ := os.ReadFile(path); string(text) != c.text {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}

// FuzzOpen: whatever the store holds, opening it never panics and never gives what was not sealed.
func FuzzOpen(f *testing.F) {
	key, err := newKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	c := sealed(key, credential, plain)
	f.Add(c.Sealed)
	f.Add(c.Sealed[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		c := credential
		c.Sealed = text
		if got, err := key.Open(tenant, c); err == nil && got != plain {
			t.Errorf("opened as %q", got)
		}
	})
}
