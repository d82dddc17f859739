package messages

import (
	"errors"
	"strings"
	"time"
)

// The types of a message. A channel may hand on others, such as "rich_message"; they are kept as they are.
const (
	MessageText     = "text"
	MessageFile     = "file"
	MessagePostback = "postback"
)

// Message is one entry of a conversation. Text is nil where the type has none. CreatedAt is RFC 3339 as the provider
// sent it, so that history gives back the very same string.
type Message struct {
	ID      string   `json:"id"`
	Type    string   `json:"type"`
	Text    *string  `json:"text,omitzero"`
	File    *File    `json:"file,omitzero"`    // an upload of ours
	Content *Content `json:"content,omitzero"` // what the type has beside its text
	Author  Author   `json:"author"`
	// AuthorGuessed says that the type of the author was guessed from the shape of the id alone. What the chat's people say,
	// now or later, goes before it.
	AuthorGuessed bool `json:"author_guessed,omitzero"`
	// Internal marks a note among agents: it is never for the visitor's side.
	Internal  bool   `json:"internal,omitzero"`
	CreatedAt string `json:"created_at"`
}

// The types of an author. A channel may hand on others; they are kept as they are.
const (
	AuthorVisitor = "visitor"
	AuthorAgent   = "agent"
	AuthorBot     = "bot"
	AuthorSystem  = "system" // wrote by itself; has no id
)

// Author wrote a message. Type is a word such as "visitor" or "agent".
type Author struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// Person takes part in a conversation. Type is an author's. Name and e-mail are personal data: they never reach a log.
type Person struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Name  string `json:"name,omitzero"`
	Email string `json:"email,omitzero"`
}

// Visitor is what the provider says about the person who writes. It is personal data: it never reaches a log.
type Visitor struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitzero"`
	Email string `json:"email,omitzero"`
}

// File describes an upload. Size is in bytes; ContentType was found by looking at the bytes, never taken from the sender.
type File struct {
	ID          string `json:"id"`
	Name        string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	Extension   string `json:"extension"` // with its dot, such as ".png"
}

// PendingKey is where the bytes of an upload wait in the blob store until the media worker has looked at them.
func PendingKey(mediaID string) string { return "pending/" + mediaID }

// ReleasedKey is the key of the cleaned file of an upload.
func ReleasedKey(mediaID string) string { return "released/" + mediaID }

// ThumbnailKey is the key of the thumbnail of an upload.
func ThumbnailKey(mediaID string) string { return "thumbnails/" + mediaID }

// ParseTime reads an RFC 3339 time, any offset, any number of fractional digits. T and Z are capitals, because readers get
// the time as it was sent and not every one takes small letters; a leap second is no time.
func ParseTime(s string) (time.Time, error) {
	var t time.Time
	if err := t.UnmarshalText([]byte(s)); err != nil || !isStrict(s) {
		return time.Time{}, errors.New("not an RFC 3339 time")
	}
	return t, nil
}

// isStrict refuses what time.Parse takes beyond RFC 3339, section 5.6 (golang/go#54580): an hour of one digit, a comma for
// the point, and offsets of more than 23:59.
func isStrict(s string) bool {
	if s[len("2006-01-02T15")] != ':' || strings.Contains(s, ",") {
		return false
	}
	hours, minutes := len(s)-len("07:00"), len(s)-len("00")
	return s[len(s)-1] == 'Z' || s[hours:hours+2] < "24" && s[minutes:] < "60"
}
