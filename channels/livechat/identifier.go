package livechat

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// Bounds of what a sender may name.
const (
	// maxID bounds every id, in bytes. LiveChat's own are UUIDs, e-mail addresses and shorter. A message's key holds four
	// ids; 4 x 256 bytes stay below the 2,704 bytes that PostgreSQL allows an index row, the tightest of the stores.
	maxID = 256
	// maxIdentifier is the length of the longest identifier: three ids and two colons are 770 bytes, and base64 makes 4
	// characters of every 3 bytes, rounded up.
	maxIdentifier = (3*maxID + 2 + 2) / 3 * 4
)

// ParseIdentifier reads the {identifier} of a path: base64 of "orgId:userId:livechat-id", in the standard or the
// URL-safe alphabet, padded or not. Each accepted identifier means exactly one identity, and whatever could be read in
// two ways is refused. The error is a *channels.Invalid.
func ParseIdentifier(segment string) (channels.Identity, error) {
	if segment == "" || len(segment) > maxIdentifier {
		return channels.Identity{}, invalidIdentifier("The identifier must be base64 of orgId:userId:livechat-id.")
	}
	decoded, ok := decodeBase64(segment)
	if !ok {
		return channels.Identity{}, invalidIdentifier("The identifier is not canonical base64.")
	}
	org, rest, _ := strings.Cut(decoded, ":")
	user, chat, three := strings.Cut(rest, ":")
	if !three || strings.Contains(chat, ":") {
		return channels.Identity{}, invalidIdentifier("The identifier must hold exactly three parts, split by colons.")
	}
	for _, part := range [...]string{org, user, chat} {
		if !ValidPart(part) {
			return channels.Identity{}, invalidIdentifier("Each part of the identifier must be 1 to 256 bytes of UTF-8 without control characters.")
		}
	}
	return channels.Identity{Tenant: messages.Tenant{Org: org, LiveChat: chat}, User: user}, nil
}

// ValidPart reports whether s can be a part of an identifier: 1 to 256 bytes of UTF-8 without a colon or a control
// character. An account of any other name could never be called for.
func ValidPart(s string) bool { return validID(s) && !strings.Contains(s, ":") }

// WebhookPath is where LiveChat posts for one identity, with the one spelling of its identifier that needs no escape in
// a URL.
func WebhookPath(of channels.Identity) string {
	return webhookPath + "/" + bareURLSafe.EncodeToString([]byte(of.Tenant.Org+":"+of.User+":"+of.Tenant.LiveChat))
}

// decodeBase64 takes either alphabet, but not both in one identifier, and refuses line breaks, wrong padding and
// trailing bits that are not zero: two spellings of one identity must differ in alphabet or padding only.
func decodeBase64(s string) (string, bool) {
	standard, urlSafe := strings.ContainsAny(s, "+/"), strings.ContainsAny(s, "-_")
	if standard && urlSafe || strings.ContainsAny(s, "\r\n") { // encoding/base64 skips line breaks
		return "", false
	}
	padded := strings.HasSuffix(s, "=")
	decoded, err := alphabet(urlSafe, padded).DecodeString(s)
	return string(decoded), err == nil
}

// The four spellings, made once because each is a table of 256 entries.
var (
	padStandard, bareStandard = base64.StdEncoding.Strict(), base64.RawStdEncoding.Strict()
	padURLSafe, bareURLSafe   = base64.URLEncoding.Strict(), base64.RawURLEncoding.Strict()
)

func alphabet(urlSafe, padded bool) *base64.Encoding {
	switch {
	case urlSafe && padded:
		return padURLSafe
	case urlSafe:
		return bareURLSafe
	case padded:
		return padStandard
	}
	return bareStandard
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

func invalidIdentifier(detail string) *channels.Invalid {
	return &channels.Invalid{Code: channels.CodeInvalidIdentifier, Field: "identifier", Detail: detail}
}
