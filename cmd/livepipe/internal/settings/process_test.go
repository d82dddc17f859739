package settings

import (
	"testing"
	"time"
)

// TestGraceHasRoomForAnOpenReceive: a stop waits for receives that are open, so on SQS the default grows with how long they
// wait. What somebody has set is kept.
func TestGraceHasRoomForAnOpenReceive(t *testing.T) {
	for _, test := range []struct {
		bus               string
		grace, poll, want time.Duration
	}{
		{Embedded, 0, 20 * time.Second, 20 * time.Second},
		{"nats://bus:4222", 0, 20 * time.Second, 20 * time.Second},
		{AmazonBus, 0, 20 * time.Second, 25 * time.Second},
		{AmazonBus, 0, 3 * time.Second, 20 * time.Second},
		{AmazonBus, 7 * time.Second, 20 * time.Second, 7 * time.Second},
	} {
		c := ProcessConfig{Grace: test.grace}
		c.Bus, c.PollWait = test.bus, test.poll
		if got := c.StopGrace(); got != test.want {
			t.Errorf("%s, grace %s, poll %s: %s, want %s", test.bus, test.grace, test.poll, got, test.want)
		}
	}
}
