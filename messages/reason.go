package messages

// The reasons of a dead letter. They are metric labels and words of the dead-letter listings, so the set is closed.
const (
	ReasonUndecodable = "undecodable" // the body is no event, or not the one its type says
	ReasonUnrouted    = "unrouted"    // the queue holds a type that its worker does not know
	ReasonRefused     = "refused"     // a rule or the other side says no
	ReasonExpired     = "expired"     // what the event points to is gone
	ReasonExhausted   = "exhausted"   // the last attempt failed
	ReasonPanic       = "panic"       // the last attempt ended in a panic
	ReasonOther       = "other"       // a permanent error whose word is none of these
)

// Reasons lists every reason of a dead letter.
func Reasons() []string {
	return []string{
		ReasonUndecodable, ReasonUnrouted, ReasonRefused, ReasonExpired, ReasonExhausted, ReasonPanic, ReasonOther,
	}
}
