package lanes

import (
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
)

// rememberedAttempts bounds the messages whose failures are remembered while they are elsewhere. Only what failed and
// was not handled since is in there: 65,536 messages that fail at the same time, at 181 bytes each with an ID of 36
// bytes, are 12 MB; TestAttemptMemory prints it. What is forgotten starts again with its first attempt.
const rememberedAttempts = 1 << 16

// attempts remembers the counted failures of messages by their ID, because what goes back to its queue comes again as
// another delivery. It belongs to the Subscriber: it outlives the subscription to its queue.
type attempts struct{ failures *lru.Cache[string, int] }

func newAttempts() (*attempts, error) {
	failures, err := lru.New[string, int](rememberedAttempts)
	if err != nil {
		return nil, fmt.Errorf("make memory of attempts: %w", err)
	}
	return &attempts{failures}, nil
}

// of returns the counted failures of the message named id.
func (a *attempts) of(id string) int {
	n, _ := a.failures.Get(id)
	return n
}

func (a *attempts) set(id string, failures int) {
	if id != "" {
		a.failures.Add(id, failures)
	}
}

func (a *attempts) forget(id string) { a.failures.Remove(id) }

// failures returns the counted failures of l's head: here, or where it ran before it came to this lane.
func (s *subscription) failures(l *lane) int { return max(l.failures, s.attempts.of(l.head.id)) }
