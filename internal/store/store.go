// Package store names what the stores keep and the errors they answer with. The consumers say which methods they need;
// internal/sqlite and its siblings implement them, and internal/conformance holds the suite that each must pass.
package store

import (
	"errors"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// The errors of every store. An outage is messages.Unavailable.
var (
	// ErrUnknownChat says that no message of the chat is stored and nothing told that it was opened.
	ErrUnknownChat = errors.New("unknown chat")
	// ErrUnknownMedia says that no media with the id is stored.
	ErrUnknownMedia = errors.New("unknown media")
	// ErrUnknownReceipt says that nothing was reported about the message.
	ErrUnknownReceipt = errors.New("unknown receipt")
	// ErrUnknownVisitor says that no message of the tenant named the visitor.
	ErrUnknownVisitor = errors.New("unknown visitor")
	// ErrUnknownAccount says that the tenant has no account.
	ErrUnknownAccount = errors.New("unknown account")
	// ErrUnknownCredential says that the account has no such credential.
	ErrUnknownCredential = errors.New("unknown credential")
)

// The errors of opening a store about its schema.
var (
	// ErrSchemaOld says that the store is empty or was written by an older livepipe.
	ErrSchemaOld = errors.New("the store's schema is missing or old: run `livepipe provision`")
	// ErrSchemaNew says that a newer livepipe has migrated the store.
	ErrSchemaNew = errors.New("the store's schema is newer than this livepipe: run a newer one")
)

// Entry is one message of a chat's history with what is known about it by now: its newest content, and the type of its
// author as the chat's people tell it.
type Entry struct {
	messages.Message
	Status    messages.Status // highest delivery status reported, or read once somebody else has seen it; empty: none was
	Media     *Media          // for an upload: its state, nil until the media worker has decided
	EditedAt  string          // RFC 3339; empty: never
	DeletedAt string          // RFC 3339; then there is no text, file or content any more
}

// Conversation is what is known about a chat beside its messages. People are ordered by id; each once, with what was
// told last. Changes are in the order of their arrival.
type Conversation struct {
	People  []messages.Person
	Changes []messages.ConversationUpdated // without Channel, User and People
}

// Query asks for the newest Limit messages with From <= created_at <= To (a zero time is an open end) that stand before
// the cursor Before (zero: from the newest on).
type Query struct {
	Chat     messages.Chat
	From, To time.Time
	Limit    int
	Before   Cursor
}

// Cursor is a place in a chat's order: created_at in microseconds, ties by arrival.
type Cursor struct {
	CreatedAt int64 // Unix microseconds
	Arrival   int64
}

// IsZero reports whether the cursor names no place.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// Page answers a Query: entries in ascending order, the exact number of messages in the whole window, and where the
// next older page starts (zero when there is none).
type Page struct {
	Entries []Entry
	Total   int64
	Next    Cursor
}

// Receipt is what was reported about the delivery of one message. Error is the first one reported, and At holds the first
// time reported for each status, RFC 3339 as sent.
type Receipt struct {
	Status messages.Status
	Error  *messages.DeliveryError
	At     map[messages.Status]string
}

// MediaState is where an upload stands.
type MediaState string

// The states of an upload. Until the media worker has decided there is no Media at all, only the pending blob.
const (
	MediaReleased MediaState = "released"
	MediaRejected MediaState = "rejected"
)

// Media is what the media worker decided about an upload. File describes the file to serve: its size and type are those
// after cleaning.
type Media struct {
	Chat         messages.Chat
	File         messages.File
	State        MediaState
	Reason       string // why it was rejected; a word of a closed set
	ETag         string // SHA-256 of the released bytes, lower-case hexadecimal
	HasThumbnail bool
	DecidedAt    time.Time
}
