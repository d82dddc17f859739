package store

import (
	"time"

	"github.com/livepipe/livepipe/messages"
)

// Account is a tenant that may call, with everything that says so.
type Account struct {
	messages.Tenant
	OrganizationID string // LiveChat's own id of the organisation; empty: not known yet
	CreatedAt      time.Time
	Limits         Limits
	Credentials    []Credential // in the order they were added
}

// Limits are what one account may use. A zero field means what the process is set to, or no limit.
type Limits struct {
	RequestsPerSecond float64  `json:"requests_per_second,omitzero"`
	BodyBytes         int64    `json:"body_bytes,omitzero"`     // of a JSON body
	UploadBytes       int64    `json:"upload_bytes,omitzero"`   // of a file
	Origins           []string `json:"origins,omitzero"`        // of browser apps, in place of the process's
	RetentionDays     int      `json:"retention_days,omitzero"` // messages older than this are deleted
}

// CredentialKind is a way to prove who calls.
type CredentialKind string

// The kinds of credentials.
const (
	BearerToken   CredentialKind = "token"   // Authorization: Bearer; the store keeps a SHA-256
	LiveChatKey   CredentialKind = "secret"  // secret_key in LiveChat's bodies; sealed
	SigningSecret CredentialKind = "signing" // Standard Webhooks, whsec_; sealed
)

// Credential is one of them. Several of a kind may be valid at once.
type Credential struct {
	ID        string // random, unique in the store
	Kind      CredentialKind
	Name      string    // what people call it; rotation keeps it
	WebhookID string    // LiveChat's id of the registration that sends the secret; may be empty
	SHA256    [32]byte  // of a BearerToken
	Sealed    []byte    // of the others, by internal/secrets
	AddedAt   time.Time // when it began to count
	RotatedAt time.Time // when a newer one took its place; zero: it is the newest of its name
	ExpiresAt time.Time // when it ends; zero: never
}

// ValidAt reports whether the credential counts at a time.
func (c Credential) ValidAt(now time.Time) bool {
	return c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt)
}
