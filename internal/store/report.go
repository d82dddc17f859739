package store

import (
	"database/sql"
	"errors"

	"github.com/livepipe/livepipe/messages"
)

// Report is what an event says about the delivery of one message, as it is stored: the state is the highest status ever
// reported, the error the first one, and so is the time of each status. It shares nothing with the event, because a write
// may outlive its caller.
type Report struct {
	Chat      messages.Chat
	MessageID string
	EventID   string
	Status    messages.Status
	Error     *messages.DeliveryError // nil when there is nothing in it
	Times     []StatusTime            // in the order of the statuses
}

// StatusTime is when a status was reached, RFC 3339 as sent.
type StatusTime struct {
	Status messages.Status
	At     string
}

// NewReport takes an event apart. A status that is not one of messages.Statuses is an error.
func NewReport(eventID string, e messages.DeliveryUpdated) (Report, error) {
	if _, known := e.Status.Rank(); !known {
		return Report{}, errors.New("unknown status")
	}
	r := Report{Chat: e.Chat, MessageID: e.MessageID, EventID: eventID, Status: e.Status}
	if e.Error != nil && *e.Error != (messages.DeliveryError{}) {
		cause := *e.Error
		r.Error = &cause
	}
	for _, status := range messages.Statuses() { // in one order, whatever the map's
		if at, ok := e.At[status]; ok && at != "" {
			r.Times = append(r.Times, StatusTime{status, at})
		}
	}
	return r, nil
}

// Raises reports whether the report changes a message's state, which is empty before the first report.
func (r Report) Raises(state messages.Status) bool {
	old, _ := state.Rank()
	reported, _ := r.Status.Rank()
	return reported > old
}

// ReceiptColumns are the columns that ScanReceipt reads: of a receipt r and each of its times t, which may be absent.
const ReceiptColumns = `r.status, r.error_code, r.error_reason, t.status, t.at`

// ScanReceipt adds one row of ReceiptColumns to what the rows before it have told.
func ScanReceipt(scan func(dest ...any) error, to *Receipt) error {
	if to.At == nil {
		to.At = map[messages.Status]string{}
	}
	var code, reason, status, at sql.NullString
	if err := scan((*string)(&to.Status), &code, &reason, &status, &at); err != nil {
		return err
	}
	if code.Valid {
		to.Error = &messages.DeliveryError{Code: code.String, Reason: reason.String}
	}
	if at.Valid {
		to.At[messages.Status(status.String)] = at.String
	}
	return nil
}
