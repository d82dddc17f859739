package bus

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Limits say what a broker carries as it is. What does not fit is wrapped by Pack.
type Limits struct {
	// attributes is the most metadata keys beside the UUID; zero means any number.
	attributes int
	attribute  func(key, value string) bool
	body       func(body []byte) bool
}

// NATS are the limits of NATS headers: the key from letters, digits, - and _, the value from printable ASCII without
// spaces at its ends (ADR-4 of the NATS architecture). A key that starts with Nats- is an order to the server. A body
// may be anything.
func NATS() Limits {
	return Limits{attribute: fitsNATS, body: func([]byte) bool { return true }}
}

// SQS are the limits of SQS, and of SNS on the way there: the characters that XML 1.0 has (SendMessage in the SQS API
// reference), nothing empty or blank, and no name that AWS keeps for itself. SNS raw delivery drops a message with more
// than ten attributes; three leave room for what others add on the way.
func SQS() Limits {
	return Limits{attributes: 2, attribute: fitsSQS, body: func(b []byte) bool { return !blank(b) && xmlText(b) }}
}

func fitsNATS(key, value string) bool {
	for _, c := range []byte(key) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return key != "" && !hasPrefixFold(key, "nats-") && strings.TrimSpace(value) == value
}

// maxAttributeName is the limit of an SQS message attribute's name. The reference says 256 characters, SQS itself
// "shorter than 256 bytes"; SNS takes 256 and then fails to deliver.
const maxAttributeName = 255

func fitsSQS(key, value string) bool {
	switch key {
	case "MessageGroupId", "MessageDeduplicationId": // watermill-aws takes these two out of the metadata
		return false
	}
	for _, c := range []byte(key) {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return key != "" && len(key) <= maxAttributeName && !blank([]byte(value)) &&
		key[0] != '.' && key[len(key)-1] != '.' && !strings.Contains(key, "..") &&
		!hasPrefixFold(key, "aws.") && !hasPrefixFold(key, "amazon.") &&
		xmlText([]byte(value))
}

// xmlText reports whether SQS takes the text: #x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF, in UTF-8.
func xmlText(text []byte) bool {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += n
	}
	return true
}

// blank reports whether there is nothing to see in any script, which SNS takes for nothing.
func blank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
