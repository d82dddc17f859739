package messages

// Status is how far an outgoing message has got.
type Status string

// The statuses, in the order of their ranks.
const (
	Accepted    Status = "accepted"
	Queued      Status = "queued"
	Sending     Status = "sending"
	Sent        Status = "sent"
	Failed      Status = "failed"
	Undelivered Status = "undelivered"
	Delivered   Status = "delivered"
	Read        Status = "read"
)

// Statuses lists every status, lowest rank first.
func Statuses() []Status {
	return []Status{Accepted, Queued, Sending, Sent, Failed, Undelivered, Delivered, Read}
}

// Rank orders the statuses: the state of a message is the highest that was ever reported, whatever the order of the
// reports. A late delivered or read is believed over a failure, because several devices may answer. An unknown status
// ranks below all, with false.
func (s Status) Rank() (int, bool) {
	for i, known := range Statuses() {
		if s == known {
			return i + 1, true
		}
	}
	return 0, false
}
