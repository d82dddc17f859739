package amazon_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/bus"
)

// What nobody of ours has sent is handed on, for the router to refuse it: never dropped, never a panic.
func TestUndecodableMessagesAreHandedOnRaw(t *testing.T) {
	notification := `{"Type":"Notification","MessageId":"1","TopicArn":"arn","Message":"{}"}` // SNS without raw delivery
	foreign := []fakeMessage{
		{body: "no attributes"},
		{body: "binary UUID", binary: true},
		{body: "forged wrapper", attributes: map[string]string{"Livepipe-Metadata": "%zz"}},
		{body: notification},
		{body: ""},
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		for _, m := range foreign {
			f.put(queueName, m)
		}
		for i, d := range receiveAll(t, openFake(t, f, amazon.Config{}), len(foreign)) {
			if string(d.Message.Payload) != foreign[i].body || d.Message.UUID != d.ID || d.ID == "" || d.Received != 1 {
				t.Errorf("message %d is %q with UUID %q, ID %q, received %d", i, d.Message.Payload, d.Message.UUID, d.ID, d.Received)
			}
		}
	})
}

func TestKeyIsTheLaneElseTheGroupElseTheMessage(t *testing.T) {
	named := map[string]string{"_watermill_message_uuid": "u", bus.MetadataLane: "lane"}
	for name, want := range map[string]map[bool]string{
		"standard": {true: "lane", false: "m-" + queueName + "-1"}, // a group is a tenant there
		"FIFO":     {true: "lane", false: "g"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeSQS(t)
				queue := queueName
				if name == "FIFO" {
					queue = fifoName
				}
				f.put(queue, fakeMessage{group: "g", attributes: named})
				f.put(queue, fakeMessage{group: "g"})
				got := receiveAll(t, openFake(t, f, amazon.Config{FIFO: name == "FIFO"}), 2)
				if got[0].Key != want[true] || got[1].Key != want[false] || got[0].Message.UUID != "u" {
					t.Errorf("keys %q and %q, want %v", got[0].Key, got[1].Key, want)
				}
			})
		})
	}
}

// stubbornClaims is a store of large bodies that may be down.
type stubbornClaims struct {
	claims
	down atomic.Bool
}

func (c *stubbornClaims) Get(ctx context.Context, key string) ([]byte, error) {
	if c.down.Load() {
		return nil, errors.New("down")
	}
	return c.claims.Get(ctx, key)
}

// A message whose body cannot be read now is no dead letter. It waits, and on a FIFO queue its group with it.
func TestOutageOfTheClaimsLosesNothing(t *testing.T) {
	for name, want := range map[string][]string{
		"standard": {"follower", "other"}, "FIFO": {"other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, queue := newFakeSQS(t), queueName
				if name == "FIFO" {
					queue = fifoName
				}
				store := &stubbornClaims{}
				store.down.Store(true)
				large := event(t, "org", "chat", "1", strings.Repeat("x", 300<<10))
				stub, err := bus.PackLarge(t.Context(), store, large, bus.SQS())
				if err != nil {
					t.Fatal(err)
				}
				f.put(queue, fakeMessage{body: string(stub.Payload), group: "g"})
				f.put(queue, fakeMessage{body: "follower", group: "g"})
				f.put(queue, fakeMessage{body: "other", group: "h"})
				s := openFake(t, f, amazon.Config{FIFO: name == "FIFO", Claims: store})

				begun := time.Now()
				time.AfterFunc(40*time.Second, func() { store.down.Store(false) })
				got := receiveAll(t, s, len(want))
				if !slices.Equal(bodies(got), want) {
					t.Errorf("during the outage arrives %q", bodies(got))
				}
				ackAll(t, s, got)
				rest := receiveAll(t, s, 3-len(want))
				if string(rest[0].Message.Payload) != string(large.Payload) || rest[0].Size < 300<<10 {
					t.Errorf("after it %.80q of %d bytes", rest[0].Message.Payload, rest[0].Size)
				}
				// Received at once, after 30 s, and after 60 s more.
				if waited := time.Since(begun).Round(time.Second); waited != 90*time.Second || rest[0].Received != 3 {
					t.Errorf("it waited %s and was received %d times", waited, rest[0].Received)
				}
			})
		})
	}
}
