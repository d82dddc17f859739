package ingress

import (
	"hash/maphash"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// failureRate and failureBurst are how many refusals one identifier gets at full speed: a person who tries out a token
	// never meets them, and guessing a token of 160 bits at this speed takes longer than the universe is old.
	failureRate  = 10 // a second
	failureBurst = 20
	// maxFailing bounds the memory: 65,536 limiters of about 200 bytes are 13 MiB. An identifier that fell out starts again
	// with a full bucket.
	maxFailing = 1 << 16
)

// failures slow the refusals of each identifier down, and nothing else: who shows a valid credential never meets them.
// Identifiers that no account has are treated alike.
type failures struct {
	seed    maphash.Seed
	buckets *lru.Cache[uint64, *rate.Limiter]
}

func newFailures() (*failures, error) {
	buckets, err := lru.New[uint64, *rate.Limiter](maxFailing)
	return &failures{maphash.MakeSeed(), buckets}, err
}

func (f *failures) of(key accountKey) *rate.Limiter {
	hash := maphash.Comparable(f.seed, key)
	if known, ok := f.buckets.Get(hash); ok {
		return known
	}
	fresh := rate.NewLimiter(failureRate, failureBurst)
	if earlier, found, _ := f.buckets.PeekOrAdd(hash, fresh); found {
		return earlier
	}
	return fresh
}

// mayAsk reports whether the store may be asked about a claim that the cache does not bear out. The bucket fills by ten a
// second, and a look-up for anybody's guess caches what was added just now: so guesses cannot keep a new credential out.
func (f *failures) mayAsk(key accountKey) bool { return f.of(key).Tokens() >= 1 }

// take takes one refusal out of the bucket, or reports that it is empty.
func (f *failures) take(key accountKey) bool { return f.of(key).Allow() }
