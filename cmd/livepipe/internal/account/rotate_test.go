package account

import (
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/store"
)

// TestRotationEndsWhatItReplaces: nothing of the name outlives the overlap, also what an earlier rotation let count
// longer, and nothing gets more time than it had.
func TestRotationEndsWhatItReplaces(t *testing.T) {
	now := time.Date(2024, time.January, 15, 10, 30, 0, 0, time.UTC)
	at := func(hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }
	for name, c := range map[string]struct {
		rotated, expires time.Time // of the old one
		overlap          time.Duration
		wantRotated      time.Time
		wantExpires      time.Time
	}{
		"the newest":                            {time.Time{}, time.Time{}, 24 * time.Hour, now, at(24)},
		"the newest, after a leak":              {time.Time{}, time.Time{}, 0, now, now},
		"an old one, after a leak":              {at(-1), at(23), 0, at(-1), now},
		"an old one that ends in the overlap":   {at(-1), at(23), 24 * time.Hour, at(-1), at(23)},
		"an old one that ends after it":         {at(-1), at(48), 24 * time.Hour, at(-1), at(24)},
		"one that was given an end from before": {time.Time{}, at(1), 24 * time.Hour, now, at(1)},
	} {
		old := []store.Credential{{RotatedAt: c.rotated, ExpiresAt: c.expires}}
		latest := retire(old, now, c.overlap)
		if got := old[0]; !got.RotatedAt.Equal(c.wantRotated) || !got.ExpiresAt.Equal(c.wantExpires) || !latest.Equal(c.wantExpires) {
			t.Errorf("%s: rotated %s, ends %s, latest %s", name, got.RotatedAt, got.ExpiresAt, latest)
		}
		if old[0].ValidAt(c.wantExpires) {
			t.Errorf("%s: counts at its end", name)
		}
	}
}
