package amazon_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// patient is long enough for a loaded machine; a test that waits so long has failed.
const patient = 30 * time.Second

// claims is a blob store in memory.
type claims struct{ stored sync.Map }

func (c *claims) Put(_ context.Context, key string, body []byte) error {
	c.stored.Store(key, bytes.Clone(body))
	return nil
}

func (c *claims) Get(_ context.Context, key string) ([]byte, error) {
	body, _ := c.stored.Load(key)
	b, _ := body.([]byte)
	return b, nil
}

// openBus provisions the place and opens a bus there.
func (p *place) openBus() *amazon.Bus {
	p.t.Helper()
	p.cfg.Claims = &claims{}
	p.provision(amazon.ProvisionOptions{})
	b, err := amazon.Open(p.t.Context(), p.cfg)
	p.check(err)
	p.t.Cleanup(func() { p.check(b.Close()) })
	return b
}

// receive takes n messages from a queue, in the order in which they come.
func (p *place) receive(queue string, n int) []sqstypes.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patient)
	defer cancel()
	var got []sqstypes.Message
	for len(got) < n {
		out, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: p.url(queue), MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			p.t.Fatalf("got %d of %d messages, then %v", len(got), n, err)
		}
		for _, m := range out.Messages {
			got = append(got, m)
			_, err := p.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: p.url(queue), ReceiptHandle: m.ReceiptHandle})
			p.check(err)
		}
	}
	return got
}

// event is one of our own, as ingress publishes it.
func event(t *testing.T, org, chat, id, text string) *message.Message {
	t.Helper()
	env, err := messages.Seal(messages.MessageReceived{
		Origin: messages.Origin{
			Channel: "livechat",
			Chat:    messages.Chat{Tenant: messages.Tenant{Org: org, LiveChat: "lc-789"}, ChatID: chat},
		},
		Message: messages.Message{
			ID: id, Type: messages.MessageText, Text: &text,
			Author: messages.Author{ID: "visitor_xyz", Type: "visitor"}, CreatedAt: "2024-01-15T10:30:00Z",
		},
	}, time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC), "")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient) // the emulator is slower than AWS
	t.Cleanup(cancel)
	msg.SetContext(ctx)
	return msg
}

func mustEqual(t *testing.T, want, got *message.Message) {
	t.Helper()
	if !got.Equals(want) {
		t.Errorf("changed on the way:\n sent %q %q %.200q\n got  %q %q %.200q",
			want.UUID, want.Metadata, want.Payload, got.UUID, got.Metadata, got.Payload)
	}
}

// What we publish is read by the stock subscriber of watermill-aws, as it was.
func TestStockSubscriberReadsWhatWePublish(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		b := p.openBus()
		sub, err := wmsqs.NewSubscriber(wmsqs.SubscriberConfig{
			AWSConfig: p.cfg.AWS, DoNotCreateQueueIfNotExists: true,
			GenerateReceiveMessageInput: func(ctx context.Context, url wmsqs.QueueURL) (*sqs.ReceiveMessageInput, error) {
				in, err := wmsqs.GenerateReceiveMessageInputDefault(ctx, url)
				in.WaitTimeSeconds = 1 // so that it closes in time
				return in, err
			},
		}, watermill.NopLogger{})
		p.check(err)
		received, err := sub.Subscribe(t.Context(), p.full("media"))
		p.check(err)
		sent := map[string]*message.Message{}
		var msgs []*message.Message
		for i := range 25 {
			msg := event(t, "org123", "chat_"+strconv.Itoa(i), "msg_1", "größe 😀 <b>&")
			sent[msg.UUID] = msg
			msgs = append(msgs, msg)
		}
		p.check(b.Publisher().Publish("upload", msgs...))
		for len(sent) > 0 {
			select {
			case got := <-received:
				if want := sent[got.UUID]; want != nil {
					mustEqual(t, want, got)
				}
				delete(sent, got.UUID)
				got.Ack()
			case <-time.After(patient):
				t.Fatalf("%d messages did not come", len(sent))
			}
		}
		p.check(sub.Close())
	})
}

// F21: byte for byte through SNS and SQS, and through SQS alone, which is how dead letters go.
func TestF21OddMessagesThroughSNSAndSQS(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		b := p.openBus()
		for way, publish := range map[string]func(...*message.Message) error{
			"topic": func(msgs ...*message.Message) error { return b.Publisher().Publish("message", msgs...) },
			"queue": func(msgs ...*message.Message) error { return b.SendToQueue("history", msgs...) },
		} {
			t.Run(way, func(t *testing.T) {
				sent := oddMessages(t)
				p.check(publish(slices.Collect(maps.Values(sent))...))
				for _, m := range p.receive("history", len(sent)) {
					got, err := b.Decode(t.Context(), &m)
					p.check(err)
					want := sent[got.UUID]
					if want == nil {
						t.Errorf("nobody sent %q", got.UUID)
						continue
					}
					mustEqual(t, want, got)
				}
			})
		}
	})
}

func oddMessages(t *testing.T) map[string]*message.Message {
	many := message.Metadata{}
	for i := range 11 {
		many.Set("key"+strconv.Itoa(i), "value")
	}
	sent := map[string]*message.Message{}
	for i, msg := range []struct {
		md   message.Metadata
		body string
	}{
		{many, "{}"},
		{message.Metadata{"k": ""}, "{}"},
		{message.Metadata{"": "v"}, "{}"},
		{message.Metadata{"AWS.Trace": "v"}, "{}"},
		{message.Metadata{"amazon.x": "v"}, "{}"},
		{message.Metadata{strings.Repeat("k", 300): "v"}, "{}"},
		{message.Metadata{strings.Repeat("k", 256): "v"}, "{}"},
		{message.Metadata{"a..b": "v", ".c": "w"}, "{}"},
		{message.Metadata{"MessageGroupId": "g", "MessageDeduplicationId": "d"}, "{}"},
		{message.Metadata{"Livepipe-Metadata": "x"}, "{}"},
		{message.Metadata{"k": "\xff"}, "{}"},
		{message.Metadata{"k": " größe\r\n\t"}, "größe 😀 \U0010FFFF\uFFFD\u007f\u0085"},
		{nil, "\xff\x00"},
		{nil, "a\uFFFEb"},
		{nil, "a\x01\x0b\x1f"},
		{nil, "\x00"},
		{nil, ""},
		{nil, " "},
		{nil, "\t\r\n"},
		{nil, strings.Repeat("\xff", 300<<10)},
		{many, strings.Repeat("x", 300<<10)},
	} {
		id := fmt.Sprintf("odd %d ü", i)
		sent[id] = message.NewMessage(id, []byte(msg.body))
		maps.Copy(sent[id].Metadata, msg.md)
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		t.Cleanup(cancel)
		sent[id].SetContext(ctx)
	}
	return sent
}

// F10: ten events of 200 KiB at once, of which SNS takes one in a call, and one that it does not take at all.
func TestF10LargeEventsThroughSNS(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		b := p.openBus()
		sent := map[string]*message.Message{}
		var callers sync.WaitGroup
		for i := range 11 {
			size := 198 << 10 // with its envelope below what goes to the blob store
			if i == 10 {
				size = 300 << 10
			}
			msg := event(t, "org123", "chat_"+strconv.Itoa(i), "msg_1", strings.Repeat("x", size))
			sent[msg.UUID] = msg
			callers.Go(func() { p.check(b.Publisher().Publish("message", msg)) })
		}
		callers.Wait()
		for _, m := range p.receive("history", len(sent)) {
			got, err := b.Decode(t.Context(), &m)
			p.check(err)
			mustEqual(t, sent[got.UUID], got)
			if _, err := bus.Unmarshal(got); err != nil {
				t.Error(err)
			}
		}
	})
}

// Order per conversation, whoever publishes and however batches form.
func TestFIFOOrderUnderConcurrentPublishers(t *testing.T) {
	p := newPlace(t, true)
	b := p.openBus()
	const chats, events = 8, 25
	var callers sync.WaitGroup
	for c := range chats {
		callers.Go(func() {
			for i := 0; i < events; i += 5 {
				var msgs []*message.Message
				for j := range 5 {
					msgs = append(msgs, event(t, "org123", "chat_"+strconv.Itoa(c), fmt.Sprintf("msg_%03d", i+j), "hello"))
				}
				p.check(b.Publisher().Publish("message", msgs...))
			}
		})
	}
	callers.Wait()
	last := map[string]string{}
	for _, m := range p.receive("history", chats*events) {
		got, err := b.Decode(t.Context(), &m)
		p.check(err)
		env, err := bus.Unmarshal(got)
		p.check(err)
		e, err := messages.Open[messages.MessageReceived](env)
		p.check(err)
		if e.Message.ID <= last[e.ChatID] {
			t.Errorf("%s: %s came after %s", e.ChatID, e.Message.ID, last[e.ChatID])
		}
		last[e.ChatID] = e.Message.ID
	}
}

// On standard topics the group is the organisation, which SQS shares its deliveries fairly among; it gives no order.
func TestOrganisationIsTheGroupOnStandardQueues(t *testing.T) {
	p := newPlace(t, false)
	b := p.openBus()
	p.check(b.Publisher().Publish("message",
		event(t, "org1", "chat_1", "msg_1", "a"), event(t, "org1", "chat_2", "msg_2", "a"), event(t, "org2", "chat_3", "msg_3", "a")))
	p.check(b.SendToQueue("history", event(t, "org1", "chat_4", "msg_4", "a")))
	orgs := map[string]int{}
	for _, m := range p.receive("history", 4) {
		orgs[m.Attributes["MessageGroupId"]]++
	}
	if len(orgs) != 2 || orgs[""] > 0 {
		t.Errorf("groups %v, want three of one and one of another", orgs)
	}
}

// An event that is published again within five minutes is swallowed, a redrive is not.
func TestFIFODeduplicatesEventsAndNotRedrives(t *testing.T) {
	p := newPlace(t, true)
	b := p.openBus()
	msg := event(t, "org123", "chat_1", "msg_1", "once")
	for range 3 {
		p.check(b.Publisher().Publish("message", msg))
	}
	marker := event(t, "org123", "chat_1", "msg_2", "marker")
	p.check(b.Publisher().Publish("message", marker))
	if got := p.receive("history", 2); *got[0].Body != string(msg.Payload) || *got[1].Body != string(marker.Payload) {
		t.Error("the event came more than once")
	}
	for range 2 {
		p.check(b.SendToQueue("history", msg))
	}
	if got := p.receive("history", 2); *got[0].Body != string(msg.Payload) || *got[1].Body != string(msg.Payload) {
		t.Error("a redrive was swallowed")
	}
}

// S17: somebody else can send to the queue. Whatever it is, it is read without a panic and handed on as it came.
func TestS17HostileQueueMessages(t *testing.T) {
	b := (&amazon.Bus{})
	str, bin := "String", "Binary"
	text := "text"
	for name, m := range map[string]sqstypes.Message{
		"nothing at all":      {},
		"UUID in binary":      {MessageAttributes: map[string]sqstypes.MessageAttributeValue{wmsqs.UUIDAttribute: {DataType: &bin, BinaryValue: []byte("x")}}},
		"UUID without a type": {MessageAttributes: map[string]sqstypes.MessageAttributeValue{wmsqs.UUIDAttribute: {}}},
		"value without text":  {MessageAttributes: map[string]sqstypes.MessageAttributeValue{"k": {DataType: &str}}},
		"forged wrapper":      {MessageAttributes: map[string]sqstypes.MessageAttributeValue{"Livepipe-Metadata": {DataType: &str, StringValue: &text}}},
	} {
		id := "id-of-sqs"
		m.MessageId, m.Body = &id, &text
		got, err := b.Decode(t.Context(), &m)
		if err != nil || got.UUID != id || string(got.Payload) != text {
			t.Errorf("%s: read as %v, %v", name, got, err)
		}
	}
}
