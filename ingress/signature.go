package ingress

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/messages"
)

// minSigningKey is the shortest key that is used, in bytes: one that is empty or short would let everybody sign. Standard
// Webhooks has keys of 24 to 64.
const minSigningKey = 16

// newSigner reads a secret of Standard Webhooks: base64, with or without "whsec_" before it. The error quotes nothing.
func newSigner(secret string) (*standardwebhooks.Webhook, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < minSigningKey {
		return nil, errors.New("read signing secret: it is not the base64 of a key")
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// verify checks a signature and that its time is within 5 minutes of now, past or future (Standard Webhooks,
// "Verifying webhook authenticity").
func verify(signer *standardwebhooks.Webhook, body []byte, header http.Header) bool {
	return signer.Verify(body, header) == nil
}

const (
	// signedFor is how long a signed request can come again: its time may be 5 minutes ahead, and then counts for another
	// 5. Later it is refused for its time.
	signedFor = 10 * time.Minute
	// maxSigned bounds the memory: 65,536 ids of about 150 bytes are 10 MiB.
	maxSigned = 1 << 16
)

// signedBodies remembers which body came first under each webhook-id. It is a help for senders who use an id twice, and
// ends with the process; what keeps a message from counting twice is the message's own id.
type signedBodies struct {
	first *lru.Cache[string, signedBody]
}

type signedBody struct {
	sum [sha256.Size]byte
	at  time.Time
}

func newSignedBodies() (*signedBodies, error) {
	first, err := lru.New[string, signedBody](maxSigned)
	return &signedBodies{first}, err
}

// isFirst reports whether the body is the first, or the same as the first, under an id of a tenant.
func (s *signedBodies) isFirst(of messages.Tenant, id string, body []byte) bool {
	key, now := messages.Digest(of.Org, of.LiveChat, id), signedBody{sha256.Sum256(body), time.Now()}
	earlier, found, _ := s.first.PeekOrAdd(key, now)
	if found && now.at.Sub(earlier.at) > signedFor {
		s.first.Add(key, now)
		return true
	}
	return !found || earlier.sum == now.sum
}
