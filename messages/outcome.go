package messages

import (
	"errors"
	"log/slog"
	"time"
)

// A handler speaks its outcome through the error it returns:
//
//	nil          the effect is stored; the message is acknowledged
//	Permanent    no retry can help; dead letter with the reason, then acknowledged
//	Unavailable  store or broker is down; the worker's intake pauses, nothing is counted
//	Postpone     not now for this lane (its destination is cooling down); nothing is counted
//	any other    counted; again after a growing, jittered delay; dead letter after the last attempt

// PermanentError says that no retry can help. Reason is a stable, lower-case word that may be a metric label.
type PermanentError struct {
	Reason string
	Err    error
}

// Permanent marks err as final. The reason is one of a closed set of words such as "undecodable" or "refused".
func Permanent(reason string, err error) error { return &PermanentError{Reason: reason, Err: err} }

// PermanentBecause is Permanent in words of ours. They are logged, and kept with the dead letter, so they quote nothing that
// anybody sent.
func PermanentBecause(reason, words string) error { return Permanent(reason, because(words)) }

// because is an error that says about itself what may be logged.
type because string

// Error implements error.
func (b because) Error() string { return string(b) }

// LogValue implements slog.LogValuer.
func (b because) LogValue() slog.Value { return slog.StringValue(string(b)) }

func (e *PermanentError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

func (e *PermanentError) Unwrap() error { return e.Err }

// UnavailableError says that something the whole worker needs is down.
type UnavailableError struct{ Err error }

// Unavailable marks err as an outage of something that every message of the worker needs.
func Unavailable(err error) error { return &UnavailableError{Err: err} }

func (e *UnavailableError) Error() string { return "unavailable: " + e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

// PostponedError says that this lane has to wait while others go on.
type PostponedError struct {
	For time.Duration
	Err error
}

// Postpone asks for the same message again after d without counting an attempt.
func Postpone(d time.Duration, err error) error { return &PostponedError{For: d, Err: err} }

func (e *PostponedError) Error() string {
	return "postponed for " + e.For.String() + ": " + e.Err.Error()
}
func (e *PostponedError) Unwrap() error { return e.Err }

// IsUnavailable reports whether err is an outage of the whole worker.
func IsUnavailable(err error) bool {
	var u *UnavailableError
	return errors.As(err, &u)
}
