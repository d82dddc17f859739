package ingress

import (
	"math"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/livepipe/livepipe/messages"
)

// accountRates hold each account to the requests a second that it may make.
type accountRates struct {
	buckets *lru.Cache[messages.Tenant, *rate.Limiter]
}

func newAccountRates() (*accountRates, error) {
	buckets, err := lru.New[messages.Tenant, *rate.Limiter](maxAccounts)
	return &accountRates{buckets}, err
}

// allow takes one request out of the account's bucket, which holds as many as it may make in a second.
func (r *accountRates) allow(a *account) error {
	limit := rate.Limit(a.Limits.RequestsPerSecond)
	if limit <= 0 {
		return nil
	}
	burst := max(1, int(min(math.Ceil(float64(limit)), math.MaxInt32)))
	bucket, ok := r.buckets.Get(a.Tenant)
	if !ok {
		bucket = rate.NewLimiter(limit, burst)
		if earlier, found, _ := r.buckets.PeekOrAdd(a.Tenant, bucket); found {
			bucket = earlier
		}
	}
	if bucket.Limit() != limit { // an operator has changed it
		bucket.SetLimit(limit)
		bucket.SetBurst(burst)
	}
	now := time.Now()
	turn := bucket.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	turn.CancelAt(now)
	return &refusal{code: codeTooManyRequests, detail: "The account may not make more requests now.", retry: wait}
}

// lower is the smaller of a limit of the process and one of an account, which is 0 when there is none.
func lower(process, account int64) int64 {
	if account > 0 && account < process {
		return account
	}
	return process
}
