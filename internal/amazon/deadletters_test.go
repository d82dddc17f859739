package amazon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/bus"
)

// deadEvent is an event as the router's middleware sets it aside.
func deadEvent(lane string, n int) *message.Message {
	m := message.NewMessage(fmt.Sprintf("%s-%d", lane, n), []byte(fmt.Sprintf("%s %d", lane, n)))
	for k, v := range map[string]string{
		bus.MetadataLane: lane, bus.MetadataType: "livechat.message.received.v1",
		bus.DeadReason: "refused", bus.DeadWorker: "history", bus.DeadEventID: m.UUID, bus.DeadAttempts: "12",
		bus.DeadFailedAt: "2026-03-01T10:00:00Z", bus.DeadDetail: "unique key",
	} {
		m.Metadata.Set(k, v)
	}
	return m
}

func setAside(t *testing.T, d *amazon.DeadLetters, queue string, msgs ...*message.Message) {
	t.Helper()
	for _, m := range msgs { // one by one: they are listed by the time when they were set aside
		if err := d.Publish(queue, m); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, d *amazon.DeadLetters, queue string, limit int) []bus.DeadLetter {
	t.Helper()
	got, err := d.List(t.Context(), queue, limit)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func eventIDs(letters []bus.DeadLetter) []string {
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.EventID)
	}
	return ids
}

func TestDeadLettersAreListedWithoutTheirBodiesAndStay(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, p *place) {
		d := p.quick().openBus().DeadLetters()
		var sent []*message.Message
		for n := range 25 { // one lane: a FIFO queue shows ten messages of a group at most
			sent = append(sent, deadEvent("a", n))
		}
		setAside(t, d, "history", sent...)
		setAside(t, d, "media", deadEvent("c", 3))

		all := list(t, d, "history", 100)
		if len(all) != 25 {
			t.Fatalf("%d listed", len(all))
		}
		want := bus.DeadLetter{
			ID: all[0].ID, Queue: "history", Reason: "refused", Worker: "history", EventID: "a-0",
			Type: "livechat.message.received.v1", Attempts: 12, Detail: "unique key",
			FailedAt: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Size: 3,
		}
		if diff := cmp.Diff(want, all[0]); diff != "" || all[0].ID == "" {
			t.Errorf("the first (-want +got):\n%s", diff)
		}
		if strings.Contains(fmt.Sprintf("%+v", all), "a 0") {
			t.Error("the listing shows a body")
		}
		if again := list(t, d, "history", 100); !cmp.Equal(eventIDs(again), eventIDs(all)) {
			t.Errorf("listed again: %v, first %v", eventIDs(again), eventIDs(all))
		}
		if got := list(t, d, "history", 3); len(got) != 3 {
			t.Errorf("limit 3 gives %d", len(got))
		}

		letter, msg, err := d.Get(t.Context(), "history", all[7].ID)
		if err != nil || string(msg.Payload) != "a 7" || letter.EventID != "a-7" {
			t.Errorf("get answers %v, %v, %v", letter, msg, err)
		}
		if _, _, err := d.Get(t.Context(), "media", all[7].ID); !errors.Is(err, bus.ErrNoDeadLetter) {
			t.Errorf("get from another queue answers %v", err)
		}
		for _, queue := range []string{"*", "", "nobody"} {
			if got, err := d.List(t.Context(), queue, 10); len(got) != 0 || !errors.Is(err, bus.ErrNoDeadLetter) {
				t.Errorf("queue %q shows %d dead letters, %v", queue, len(got), err)
			}
		}
	})
}

func TestRedriveGoesToOneQueueWithItsLane(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, p *place) {
		b := p.quick().openBus()
		d := b.DeadLetters()
		setAside(t, d, "history", deadEvent("a", 1), deadEvent("b", 2), deadEvent("a", 3))
		setAside(t, d, "media", deadEvent("c", 4))

		onlyA := bus.Redrive{Pick: func(l bus.DeadLetter) bool { return strings.HasPrefix(l.EventID, "a-") }, PerSecond: 10_000}
		if n, err := d.Redrive(t.Context(), "history", onlyA); n != 2 || err != nil {
			t.Fatalf("redrive answers %d, %v", n, err)
		}
		s := p.openSource(b, amazon.Visibility)
		got := receiveAll(t, s, 2)
		if p.cfg.FIFO {
			if diff := cmp.Diff([]string{"a 1", "a 3"}, bodies(got)); diff != "" {
				t.Errorf("history receives (-want +got):\n%s", diff)
			}
		}
		wantMeta := message.Metadata{bus.MetadataLane: "a", bus.MetadataType: "livechat.message.received.v1"}
		if diff := cmp.Diff(wantMeta, got[0].Message.Metadata); got[0].Key != "a" || got[0].Message.UUID[:2] != "a-" || diff != "" {
			t.Errorf("copy has key %q, id %q, metadata (-want +got):\n%s", got[0].Key, got[0].Message.UUID, diff)
		}
		ackAll(t, s, got)
		if left := list(t, d, "history", 10); len(left) != 1 || left[0].EventID != "b-2" {
			t.Errorf("left behind: %+v", left)
		}
		if events, err := b.Backlog(t.Context(), "media"); events != 0 || err != nil {
			t.Errorf("the other queue has %d, %v", events, err)
		}

		// The event dies again within five minutes, twice: nothing is swallowed as a duplicate.
		for range 2 {
			setAside(t, d, "history", deadEvent("a", 1))
			id := list(t, d, "history", 10)[1].ID
			if n, err := d.Redrive(t.Context(), "history", bus.Redrive{IDs: []string{id}}); n != 1 || err != nil {
				t.Fatalf("redrive by id answers %d, %v", n, err)
			}
			again := receiveAll(t, s, 1)
			if again[0].Message.UUID != "a-1" {
				t.Errorf("redriven %s", again[0].Message.UUID)
			}
			ackAll(t, s, again)
			if n, err := d.Redrive(t.Context(), "history", bus.Redrive{IDs: []string{id}}); n != 0 || !errors.Is(err, bus.ErrNoDeadLetter) {
				t.Errorf("the same again answers %d, %v", n, err)
			}
		}
	})
}

func TestRedriveKeepsToItsRate(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false).quick()
	b := p.openBus()
	d := b.DeadLetters()
	for n := range 9 {
		setAside(t, d, "history", deadEvent("a", n))
	}
	begun := time.Now()
	if n, err := d.Redrive(t.Context(), "history", bus.Redrive{PerSecond: 3}); n != 9 || err != nil {
		t.Fatalf("redrive answers %d, %v", n, err)
	}
	if took := time.Since(begun); took < 2*time.Second { // three at once, and the other six a second later each three
		t.Errorf("nine at three a second took %s", took)
	}
}

func TestRedriveThatIsBrokenOffHandsBackTheRest(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false).quick()
	d := p.openBus().DeadLetters()
	for n := range 5 {
		setAside(t, d, "history", deadEvent("a", n))
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	n, err := d.Redrive(ctx, "history", bus.Redrive{Pick: func(bus.DeadLetter) bool {
		if seen++; seen == 5 {
			cancel()
		}
		return true
	}})
	if n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("redrive answers %d, %v", n, err)
	}
	if got := list(t, d, "history", 10); len(got) != 5 {
		t.Errorf("%d are left to see", len(got))
	}
}

func TestPurgeDeletesSomeOrAll(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, p *place) {
		d := p.quick().openBus().DeadLetters()
		setAside(t, d, "history", deadEvent("a", 1), deadEvent("a", 2), deadEvent("a", 3))
		setAside(t, d, "media", deadEvent("a", 4))

		first := list(t, d, "history", 1)[0].ID
		if n, err := d.Purge(t.Context(), "history", first); n != 1 || err != nil {
			t.Errorf("purge of one answers %d, %v", n, err)
		}
		if n, err := d.Purge(t.Context(), "history", first); n != 0 || !errors.Is(err, bus.ErrNoDeadLetter) {
			t.Errorf("purge of what is gone answers %d, %v", n, err)
		}
		if n, err := d.Purge(t.Context(), "history"); n != 2 || err != nil {
			t.Errorf("purge of all answers %d, %v", n, err)
		}
		if got := list(t, d, "media", 10); len(got) != 1 {
			t.Errorf("the other queue has %d left", len(got))
		}
	})
}

// The fuse of SQS moves what is received too often and never settled. No worker said why.
func TestCrashLoopsAreListedAndRedriven(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, p *place) {
		b := p.quick().openBus()
		event := event(t, "org", "chat", "1", "text")
		p.check(b.Publisher().Publish("message", event))
		p.setQueue("history", map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"` + p.queueAttributes("history-dead")["QueueArn"] + `","maxReceiveCount":1}`,
		})
		for range 2 { // the second receive finds the message used up
			_, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: p.url("history"), VisibilityTimeout: 1, WaitTimeSeconds: 2})
			p.check(err)
		}
		d := b.DeadLetters()
		var found []bus.DeadLetter
		for len(found) == 0 && t.Context().Err() == nil {
			found = list(t, d, "history", 10)
			_, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: p.url("history"), WaitTimeSeconds: 1})
			p.check(err)
		}
		if l := found[0]; l.Reason != amazon.ReasonCrashLoop || l.Worker != "history" || l.EventID != event.UUID || l.Type == "" {
			t.Errorf("listed as %+v", l)
		}
		p.setQueue("history", map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"` + p.queueAttributes("history-dead")["QueueArn"] + `","maxReceiveCount":100}`,
		})
		if n, err := d.Redrive(t.Context(), "history", bus.Redrive{}); n != 1 || err != nil {
			t.Fatalf("redrive answers %d, %v", n, err)
		}
		s := p.openSource(b, amazon.Visibility)
		got := receiveAll(t, s, 1)
		mustEqual(t, event, got[0].Message)
		ackAll(t, s, got)
	})
}

func TestWhatSNSCouldNotDeliverIsListed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false).quick()
	d := p.openBus().DeadLetters()
	body := "what SNS wanted to say"
	_, err := p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: p.url("history-dead"), MessageBody: &body})
	p.check(err)
	l := list(t, d, "history", 10)[0]
	if l.Reason != amazon.ReasonUndelivered || l.Worker != "history" || l.EventID == "" || time.Since(l.FailedAt) > time.Minute {
		t.Errorf("listed as %+v", l)
	}
}

// A dead letter of a large event is whole again when somebody looks at it, and when it is redriven.
func TestLargeDeadLettersAreWhole(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false).quick()
	b := p.openBus()
	large := event(t, "org", "chat", "1", strings.Repeat("x", 300<<10))
	dead := large.Copy()
	dead.SetContext(large.Context())
	dead.Metadata.Set(bus.DeadReason, "refused")
	d := b.DeadLetters()
	setAside(t, d, "history", dead)
	id := list(t, d, "history", 1)[0].ID
	if _, msg, err := d.Get(t.Context(), "history", id); err != nil || string(msg.Payload) != string(large.Payload) {
		t.Errorf("get answers %d bytes, %v", len(msg.Payload), err)
	}
	if n, err := d.Redrive(t.Context(), "history", bus.Redrive{}); n != 1 || err != nil {
		t.Fatalf("redrive answers %d, %v", n, err)
	}
	s := p.openSource(b, amazon.Visibility)
	got := receiveAll(t, s, 1)
	mustEqual(t, large, got[0].Message)
	ackAll(t, s, got)
}
