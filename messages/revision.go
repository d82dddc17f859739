package messages

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// revisionWindow is longer than a provider goes on trying: LiveChat sends a webhook again for about a minute. So a retry
// comes in the window of the first one or in the next.
const revisionWindow = 90 * time.Second

// Revision names one change of something that has no id for each change: a hash of what was sent, and the number of the
// window in which it came. The same content in the same window is the same change, and in the window after it too, by
// FormerID; later it is a change that happened again, such as A to B to A. Payload is the JSON text without anything that
// differs from one registration of a webhook to the next; the order of its members and its spaces do not count.
func Revision(payload []byte, at time.Time) string {
	canonical := jsontext.Value(payload).Clone()
	if canonical.Canonicalize() != nil { // such as numbers beyond float64: the text as it is, then
		canonical = payload
	}
	return digest(130, string(canonical)) + "." + strconv.FormatInt(at.Unix()/int64(revisionWindow/time.Second), 10)
}

// FormerID is the EventID that e would have, had it come one window earlier; empty for an event whose ids alone tell it
// from others. Whoever has kept an event with that id keeps nothing of e, for e is a retry. Nor is e's own id kept then:
// one window later still, the same content is a change that happened again.
func FormerID(e Event) string {
	switch e := e.(type) {
	case MessageReceived:
		if c := e.Message.Content; c != nil && c.Postback != nil && moveBack(&e.Revision) {
			e.Message.ID = PostbackID(c.Postback.MessageID, e.Message.Author.ID, e.Revision)
			return idOf(e)
		}
	case MessageUpdated:
		if moveBack(&e.Revision) {
			return idOf(e)
		}
	case ConversationUpdated:
		if moveBack(&e.Revision) {
			return idOf(e)
		}
	case AccountUpdated:
		if moveBack(&e.Revision) {
			return idOf(e)
		}
	case UnknownReceived:
		if moveBack(&e.Revision) {
			return idOf(e)
		}
	}
	return ""
}

func idOf(e Event) string { return EventID(e.From(), e.Type(), e.Key()...) }

// moveBack makes a revision the one of the same content one window earlier. It reports false for what is no revision.
func moveBack(revision *string) bool {
	content, window, _ := strings.Cut(*revision, ".")
	n, err := strconv.ParseInt(window, 10, 64)
	*revision = content + "." + strconv.FormatInt(n-1, 10)
	return err == nil
}

// PostbackID names the message that a pressed button is. The press has no id of its own, so it is told by the message
// that holds the button, by whom, and by the revision.
func PostbackID(messageID, userID, revision string) string {
	return "postback_" + Digest(messageID, userID, revision)
}
