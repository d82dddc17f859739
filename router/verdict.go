package router

import (
	"context"
	"errors"
	"slices"

	"github.com/livepipe/livepipe/messages"
)

// outcome is how one run of a handler ended. Outcomes are metric labels.
type outcome string

const (
	handled     outcome = "handled"
	failed      outcome = "failed"      // counted, again later
	panicked    outcome = "panicked"    // counted, again later
	unavailable outcome = "unavailable" // not counted, the worker's intake pauses
	postponed   outcome = "postponed"   // not counted, the lane waits
	interrupted outcome = "interrupted" // not counted, the process is stopping
	deadLetter  outcome = "dead_letter" // set aside with a reason
)

func failures() []outcome {
	return []outcome{failed, panicked, unavailable, postponed, interrupted, deadLetter}
}

// verdict is what becomes of a message after a run.
type verdict struct {
	outcome outcome
	reason  string // of a dead letter
}

// judge reads the outcome that a handler spoke through its error. An outage is looked for first: calling it anything else
// could lose the message. ctx is the message's own, without the handler's time limit.
func judge(ctx context.Context, err error, attempt, maxAttempts int) verdict {
	var later *messages.PostponedError
	var final *messages.PermanentError
	var crash *panicError
	switch {
	case err == nil:
		return verdict{outcome: handled}
	case messages.IsUnavailable(err):
		return verdict{outcome: unavailable}
	case errors.As(err, &later):
		return verdict{outcome: postponed}
	case errors.As(err, &final):
		return verdict{outcome: deadLetter, reason: closedReason(final.Reason)}
	case ctx.Err() != nil:
		return verdict{outcome: interrupted}
	case errors.As(err, &crash) && attempt >= maxAttempts:
		return verdict{outcome: deadLetter, reason: messages.ReasonPanic}
	case attempt >= maxAttempts:
		return verdict{outcome: deadLetter, reason: messages.ReasonExhausted}
	case crash != nil:
		return verdict{outcome: panicked}
	default:
		return verdict{outcome: failed}
	}
}

// closedReason keeps the set of reasons closed whatever a handler says.
func closedReason(reason string) string {
	if slices.Contains(messages.Reasons(), reason) {
		return reason
	}
	return messages.ReasonOther
}
