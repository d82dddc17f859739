// Package secrets keeps what the store must be able to read again, such as LiveChat's secret_key, unreadable for whoever
// has the store alone: sealed with XChaCha20-Poly1305 under a key in a file of its own.
package secrets

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// ErrOtherKey says that a secret was sealed with another key than the one in the file.
var ErrOtherKey = errors.New("the secret was sealed with another key (LIVEPIPE_SECRET_KEY_FILE)")

// Key seals and opens secrets. It may be used by many goroutines.
type Key struct {
	aead cipher.AEAD
	id   [keyIDSize]byte
}

// keyIDSize is enough to tell a wrong key from a damaged secret; it says nothing about the key.
const keyIDSize = 8

func newKey(key []byte) (*Key, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("read secret key: %w", err)
	}
	sum := sha256.Sum256(append([]byte("livepipe secret key id\n"), key...))
	return &Key{aead: aead, id: [keyIDSize]byte(sum[:])}, nil
}

// Seal makes a secret unreadable. It can be opened as the same credential of the same tenant only: whoever can write to
// the store cannot move it to another account.
func (k *Key) Seal(of messages.Tenant, c store.Credential, plain string) []byte {
	out := make([]byte, keyIDSize+chacha20poly1305.NonceSizeX, keyIDSize+chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	copy(out, k.id[:])
	nonce := out[keyIDSize:]
	rand.Read(nonce)
	return k.aead.Seal(out, nonce, []byte(plain), place(of, c))
}

// Open reads a secret. ErrOtherKey, or an error without anything of the secret.
func (k *Key) Open(of messages.Tenant, c store.Credential) (string, error) {
	if len(c.Sealed) < keyIDSize+chacha20poly1305.NonceSizeX {
		return "", errors.New("open secret: it is too short")
	}
	if [keyIDSize]byte(c.Sealed) != k.id {
		return "", ErrOtherKey
	}
	nonce, sealed := c.Sealed[keyIDSize:][:chacha20poly1305.NonceSizeX], c.Sealed[keyIDSize+chacha20poly1305.NonceSizeX:]
	plain, err := k.aead.Open(nil, nonce, sealed, place(of, c))
	if err != nil {
		return "", errors.New("open secret: it is damaged, or belongs to another account")
	}
	return string(plain), nil
}

// place is what a secret is bound to.
func place(of messages.Tenant, c store.Credential) []byte {
	return []byte(messages.Digest(of.Org, of.LiveChat, string(c.Kind), c.ID))
}
