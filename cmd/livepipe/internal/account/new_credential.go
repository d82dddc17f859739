package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// newCredential is a credential before it is hashed or sealed.
type newCredential struct {
	kind      store.CredentialKind
	name      string
	webhookID string   // of a LiveChatKey; may be empty
	sha256    [32]byte // of a BearerToken
	text      string   // of the others
}

// credential makes what the store keeps. A BearerToken needs no key.
func (n newCredential) credential(key *secrets.Key, of messages.Tenant, at time.Time) store.Credential {
	c := store.Credential{ID: NewCredentialID(), Kind: n.kind, Name: n.name, WebhookID: n.webhookID, SHA256: n.sha256, AddedAt: at}
	if n.kind != store.BearerToken {
		c.Sealed = key.Seal(of, c, n.text)
	}
	return c
}

// heldBy finds the account's credential that is the same. One secret_key may stand in several registrations.
func (n newCredential) heldBy(key *secrets.Key, a store.Account) (store.Credential, bool) {
	for _, c := range a.Credentials {
		if c.Kind != n.kind || c.WebhookID != n.webhookID {
			continue
		}
		if c.Kind == store.BearerToken {
			if c.SHA256 == n.sha256 {
				return c, true
			}
		} else if text, err := key.Open(a.Tenant, c); err == nil && text == n.text {
			return c, true
		}
	}
	return store.Credential{}, false
}

// named are the account's credentials of a kind and name that count at a time.
func named(a store.Account, kind store.CredentialKind, name string, at time.Time) []store.Credential {
	var found []store.Credential
	for _, c := range a.Credentials {
		if c.Kind == kind && c.Name == name && c.ValidAt(at) {
			found = append(found, c)
		}
	}
	return found
}

// newToken makes a bearer token of 160 random bits behind a prefix that secret scanners can be taught.
func newToken() string {
	var b [20]byte
	rand.Read(b[:])
	return "lp_" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// newSigningSecret makes a secret of 256 random bits in the form of Standard Webhooks.
func newSigningSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return signingPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// NewCredentialID makes the id of a credential: 80 random bits name it within its account.
func NewCredentialID() string {
	var b [10]byte
	rand.Read(b[:])
	return "cred_" + hex.EncodeToString(b[:])
}

const (
	signingPrefix = "whsec_"
	maxSecretKey  = 1024 // LiveChat names no bound; its longest documented text of this kind has 500 characters
)

var (
	credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	tokenForm      = regexp.MustCompile(`^[!-~]{16,512}$`) // visible ASCII: it has to go through a header
	hashForm       = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	webhookIDForm  = regexp.MustCompile(`^[!-~]{0,128}$`)

	errName           = errors.New("must be 1 to 64 of letters, digits, dot, - and _, and start with a letter or digit")
	errToken          = errors.New("must be 16 to 512 visible ASCII characters")
	errHash           = errors.New("must be the 64 hexadecimal digits of a SHA-256")
	errWebhookID      = errors.New("must be at most 128 visible ASCII characters")
	errOrganizationID = errors.New("must be 1 to 128 visible ASCII characters, such as 0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11")
	errSecretKey      = fmt.Errorf("must be one line of 1 to %d bytes", maxSecretKey)
	errSigning        = errors.New("must be whsec_ and the base64 of 24 to 64 random bytes")
)

// check holds the form of what a file or a person gave. The error quotes nothing.
func (n newCredential) check() error {
	switch n.kind {
	case store.LiveChatKey:
		if n.text == "" || len(n.text) > maxSecretKey || strings.ContainsFunc(n.text, isNoText) {
			return errSecretKey
		}
	case store.SigningSecret:
		encoded, ok := strings.CutPrefix(n.text, signingPrefix)
		bytes, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(bytes) < 24 || len(bytes) > 64 {
			return errSigning
		}
	}
	return nil
}

// isOrganizationID accepts what LiveChat may call an organisation: a UUID, or the number of a licence before API 3.4.
func isOrganizationID(s string) bool { return s != "" && webhookIDForm.MatchString(s) }

func tokenCredential(name, token string) newCredential {
	return newCredential{kind: store.BearerToken, name: name, sha256: sha256.Sum256([]byte(token))}
}

// ReadSecret reads a secret from a file, or from the standard input for "-", without the line's end. It is never an
// argument, which would stay in the shell's history and in the list of processes.
func ReadSecret(flag, file string) (string, error) {
	from := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, 2*maxSecretKey))
	if err != nil {
		return "", fmt.Errorf("%s: read secret: %w", flag, err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
