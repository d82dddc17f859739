package amazon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/livepipe/livepipe/internal/amazon"
)

// A process whose queue was deleted handles nothing, and says so until the queue is made again. Topics and the other
// queues answer all the while.
func TestDeletedQueueIsToldAndComesBack(t *testing.T) {
	p := newPlace(t, false).quick()
	p.cfg.Logger = testLogger(t)
	b := p.openBus()
	e := startEngine(t, b, nil)
	if err := e.Health(); err != nil {
		t.Fatal(err)
	}
	_, err := p.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: p.url("history")})
	p.check(err)
	eventually(t, func() bool { return e.Health() != nil })
	if err := e.Health(); err == nil || !strings.Contains(err.Error(), "queue history") {
		t.Errorf("health says %v", err)
	}
	p.check(b.Health(t.Context()))
	p.provision(amazon.ProvisionOptions{})
	eventually(t, func() bool { return e.Health() == nil })
	e.stop(t)
}

// eventually waits until something is so.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	deadline := time.After(patient)
	for !is() {
		select {
		case <-deadline:
			t.Fatal("not so in time")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
