package messages

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// Tenant is one LiveChat integration of one organisation. Every key and every query carries both parts.
type Tenant struct {
	Org      string `json:"org"`
	LiveChat string `json:"livechat"`
}

// Chat names one conversation of a tenant.
type Chat struct {
	Tenant
	ChatID string `json:"chat_id"`
}

// Origin says where an event comes from. User is recorded and part of no key: the same chat reached through the
// identifiers of two users is one chat.
type Origin struct {
	Channel string `json:"channel"`
	Chat
	User string `json:"user,omitzero"`
}

// lowerBase32 is RFC 4648 base32 in lower case without padding: safe in URLs, subjects, queue names and file names.
var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// EventID derives the identity of an event from what the provider calls it, so that a retry hours later, a copy through
// another registration and a concurrent duplicate are one event. 160 bits make a collision among 10^12 events a matter
// of 10^-24.
func EventID(o Origin, t Type, provider ...string) string {
	return "evt_" + digest(160, append([]string{o.Channel, o.Org, o.LiveChat, string(t)}, provider...)...)
}

// Digest names parts by a hash of 130 bits, for ids that derive from other ids.
func Digest(parts ...string) string { return digest(130, parts...) }

// Lane is the partition key of a conversation: events of one lane are handled one at a time and in order. More parts
// make narrower lanes, such as one for each destination of the conversation's messages.
func (o Origin) Lane(more ...string) string {
	return digest(130, append([]string{o.Channel, o.Org, o.LiveChat, o.ChatID}, more...)...)
}

// NewMediaID makes the id of an upload. Its 128 random bits are the capability to read the file.
func NewMediaID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return mediaIDPrefix + lowerBase32.EncodeToString(b[:])
}

// mediaIDPrefix starts every media id.
const mediaIDPrefix = "media_"

// IsMediaID reports whether s has the shape that NewMediaID gives: nothing else is ever looked up.
func IsMediaID(s string) bool {
	rest, ok := strings.CutPrefix(s, mediaIDPrefix)
	if !ok || len(rest) != 26 { // 128 bits are 26 characters of 5 bits
		return false
	}
	_, err := lowerBase32.DecodeString(rest)
	return err == nil
}

// digest hashes length-prefixed parts, so that ("ab","c") and ("a","bc") differ, and keeps the first bits (a multiple of 5).
func digest(bits int, parts ...string) string {
	text := make([]byte, 0, 512) // on the stack: four ids of usual length
	for _, p := range parts {
		text = binary.BigEndian.AppendUint64(text, uint64(len(p)))
		text = append(text, p...)
	}
	sum := sha256.Sum256(text)
	var out [52]byte // 256 bits are 52 characters of 5 bits
	lowerBase32.Encode(out[:], sum[:])
	return string(out[:bits/5])
}
