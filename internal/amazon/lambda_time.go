package amazon

import (
	"context"
	"time"
)

// lambdaTimes divide the time that is left of an invocation: a function that runs into its timeout fails the whole batch
// and loses its process. They are zero when there is no deadline.
type lambdaTimes struct {
	work   time.Time // handlers are told to return
	answer time.Time // handlers that did not are left behind
	calls  time.Time // the last calls to AWS end; what is left is for the answer
}

const (
	lambdaMarginLeast = time.Second
	lambdaMarginMost  = 5 * time.Second
)

// timesOf keeps a tenth of the time, between one second and five, and never more than half.
func timesOf(ctx context.Context, now time.Time) lambdaTimes {
	deadline, ok := ctx.Deadline()
	if !ok {
		return lambdaTimes{}
	}
	left := deadline.Sub(now)
	margin := min(max(left/10, lambdaMarginLeast), lambdaMarginMost, left/2)
	return lambdaTimes{work: deadline.Add(-margin), answer: deadline.Add(-margin / 2), calls: deadline.Add(-margin / 4)}
}

// until is ctx up to one of the times.
func until(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	if t.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, t)
}
