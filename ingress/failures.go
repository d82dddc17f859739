package ingress

import (
	"hash/maphash"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// failureRate and failureBurst are how many refusals one identifier gets at full speed: a person who tries out a token
	// never meets them, and guessing a token of 160 bits at this speed takes longer than the universe is old.
	failureRate  = 10 // a second
	failureBurst = 20
	// slowedAsk is how often the store is asked for an identifier that has used them up: a credential that was added just
	// now counts after a second, whatever somebody else does with the identifier.
	slowedAsk = time.Second
	// maxFailing bounds the memory: 32,768 pairs of limiters of about 300 bytes are 10 MiB. An identifier that fell out
	// starts again with a full bucket.
	maxFailing = 1 << 15
)

// failures slow the refusals of each identifier down, and nothing else: who shows a valid credential never meets them.
// Identifiers that no account has are treated alike.
type failures struct {
	seed    maphash.Seed
	buckets *lru.Cache[uint64, *failing]
}

type failing struct {
	answers *rate.Limiter
	asks    *rate.Limiter
}

func newFailures() (*failures, error) {
	buckets, err := lru.New[uint64, *failing](maxFailing)
	return &failures{maphash.MakeSeed(), buckets}, err
}

func (f *failures) of(key accountKey) *failing {
	hash := maphash.Comparable(f.seed, key)
	if known, ok := f.buckets.Get(hash); ok {
		return known
	}
	fresh := &failing{rate.NewLimiter(failureRate, failureBurst), rate.NewLimiter(rate.Every(slowedAsk), 1)}
	if earlier, found, _ := f.buckets.PeekOrAdd(hash, fresh); found {
		return earlier
	}
	return fresh
}

// mayAsk reports whether the store may be asked about a claim that the cache does not bear out.
func (f *failures) mayAsk(key accountKey) bool {
	one := f.of(key)
	return one.answers.Tokens() >= 1 || one.asks.Allow()
}

// take takes one refusal out of the bucket, or reports that it is empty.
func (f *failures) take(key accountKey) bool { return f.of(key).answers.Allow() }
