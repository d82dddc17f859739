package account

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
)

// SealingKey is the key for new secrets, made when there is none. It is refused when the store holds secrets of another
// one: most likely this machine has not the file of the ingress, which could open nothing that is sealed here.
func SealingKey(c settings.ProcessConfig, std settings.Streams, accounts []store.Account) (*secrets.Key, error) {
	path := c.SecretKeyPath()
	_, err := os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if n := countSealed(accounts); missing && n > 0 {
		return nil, fmt.Errorf("the store holds %s, but there is no key at %s: %s", number(n, "sealed secret"), path, bringTheKey)
	}
	key, err := c.SecretKey()
	if err != nil {
		return nil, err
	}
	if n := countForeign(key, accounts); n > 0 {
		return nil, fmt.Errorf("%s in the store sealed with another key than %s: %s", number(n, "secret"), path, bringTheKey)
	}
	if missing {
		fmt.Fprintf(std.Err, "Made the key %s. Keep a copy: without it the secrets in the store cannot be read. Every process that takes webhooks needs it.\n", path)
	}
	return key, nil
}

const bringTheKey = "set LIVEPIPE_SECRET_KEY_FILE to the key that ingress has; if it is lost, remove those secrets first (livepipe account show, livepipe account remove --credential)"

func countSealed(accounts []store.Account) (n int) {
	for _, a := range accounts {
		for _, c := range a.Credentials {
			if c.Sealed != nil {
				n++
			}
		}
	}
	return n
}

func countForeign(key *secrets.Key, accounts []store.Account) (n int) {
	for _, a := range accounts {
		for _, c := range a.Credentials {
			if c.Sealed == nil {
				continue
			}
			if _, err := key.Open(a.Tenant, c); errors.Is(err, secrets.ErrOtherKey) {
				n++
			}
		}
	}
	return n
}
