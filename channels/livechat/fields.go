package livechat

import (
	"strings"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// Bounds of what a sender may write, in bytes.
const (
	// maxText is twice the 16 KB that LiveChat allows a message's raw text, so that a change of theirs loses nothing. JSON
	// may escape one byte to six: 6 x 32 KiB stay below the 256 KiB of an SNS message.
	maxText = 32 << 10
	// maxName bounds names, e-mail addresses (at most 254 by RFC 5321) and reasons: generous, and still a line.
	maxName = 1 << 10
	// maxWord bounds the words of small sets, such as a message's type.
	maxWord = 64
)

// fields checks one body after it was decoded; the first fault stays.
type fields struct{ fault *channels.Invalid }

func (f *fields) refuse(code, field, detail string) {
	if f.fault == nil {
		f.fault = &channels.Invalid{Code: code, Field: field, Detail: detail}
	}
}

// err avoids a typed nil in the error interface.
func (f *fields) err() error {
	if f.fault == nil {
		return nil
	}
	return f.fault
}

// id wants a name that keys may hold.
func (f *fields) id(field, value string) { f.name(field, value, maxID) }

// word wants a name from a small set that we need not know.
func (f *fields) word(field, value string) { f.name(field, value, maxWord) }

func (f *fields) name(field, value string, bound int) {
	switch {
	case value == "":
		f.refuse(channels.CodeMissingField, field, "The field is required.")
	case len(value) > bound:
		f.refuse(channels.CodeFieldTooLong, field, "The field is too long.")
	case !printable(value):
		f.refuse(channels.CodeInvalidField, field, "The field must not hold control characters.")
	}
}

// text wants anything up to bound bytes that a database can keep: PostgreSQL takes no NUL.
func (f *fields) text(field, value string, bound int) {
	switch {
	case len(value) > bound:
		f.refuse(channels.CodeFieldTooLong, field, "The field is too long.")
	case strings.IndexByte(value, 0) >= 0:
		f.refuse(channels.CodeInvalidField, field, "The field must not hold NUL characters.")
	}
}

// time wants RFC 3339.
func (f *fields) time(field, value string) {
	if value == "" {
		f.refuse(channels.CodeMissingField, field, "The field is required.")
		return
	}
	f.optionalTime(field, value)
}

func (f *fields) optionalTime(field, value string) {
	if value == "" {
		return
	}
	if len(value) > maxWord {
		f.refuse(channels.CodeFieldTooLong, field, "The field is too long.")
		return
	}
	if _, err := messages.ParseTime(value); err != nil {
		f.refuse(channels.CodeInvalidField, field, "The field must be an RFC 3339 time.")
	}
}
