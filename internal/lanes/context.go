package lanes

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// run is one start of one message.
type run struct {
	lane    *lane
	msg     *message.Message
	cancel  context.CancelFunc
	attempt int
	began   time.Duration // since the subscription began
	probe   bool
	acked   bool

	mu     sync.Mutex
	reason error
}

type runKey struct{}

// Attempt returns the number of counted attempts at the message of ctx, this one included. Outages and
// postponements are not counted. Outside of a lane it is 1.
func Attempt(ctx context.Context) int {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		return r.attempt
	}
	return 1
}

// Fail tells the engine why the message of ctx is about to be nacked. A messages.UnavailableError pauses the
// subscription, a messages.PostponedError makes the lane wait, any other error is counted. The last call before
// the nack decides. Outside of a lane it does nothing.
func Fail(ctx context.Context, err error) {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reason = err
	}
}

func (r *run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// newRun makes the copy of a lane's head that the handler gets: a nacked message is spent, and a handler may have
// changed its metadata. The payload is shared and must not be changed, as in Watermill.
func (s *subscription) newRun(l *lane) *run {
	r := &run{lane: l, msg: l.head.msg.Copy(), attempt: s.failures(l) + 1}
	ctx, cancel := context.WithCancel(context.WithValue(s.handlers, runKey{}, r))
	r.cancel = cancel
	if s.cfg.Order == Invocation { // its batch may end before the subscription does
		unhook := context.AfterFunc(l.head.msg.Context(), cancel)
		r.cancel = func() {
			unhook()
			cancel()
		}
	}
	r.msg.SetContext(ctx)
	return r
}
