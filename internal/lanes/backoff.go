package lanes

import (
	"fmt"
	"time"
)

// Backoff is a delay that doubles from Initial to Max. Jitter spreads each delay evenly over ±Jitter of itself,
// so that what failed together does not come again together. It is pure arithmetic over an injected random
// number: cenkalti/backoff draws from the global generator, which a test cannot fix.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
	Jitter  float64
}

// Delay returns the wait after the nth failure in a row, n from 1. random is in [0, 1).
func (b Backoff) Delay(n int, random float64) time.Duration {
	d := b.Initial
	for ; n > 1 && d < b.Max; n-- {
		d *= 2
	}
	d = min(d, b.Max)
	return d + time.Duration(float64(d)*b.Jitter*(2*random-1))
}

func (b Backoff) validate(name string) error {
	if b.Initial <= 0 || b.Max < b.Initial || b.Jitter < 0 || b.Jitter >= 1 {
		return fmt.Errorf("%s needs 0 < Initial <= Max and 0 <= Jitter < 1", name)
	}
	return nil
}
