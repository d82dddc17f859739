package amazon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/amazon"
)

// open opens the queue history of the place, which may be on standard or FIFO queues.
func (p *place) openSource(b *amazon.Bus, lease time.Duration) *amazon.Source {
	p.t.Helper()
	s, err := b.Hiding(p.t.Context(), "history", lease)
	p.check(err)
	p.t.Cleanup(func() { p.check(s.Close()) })
	return s
}

// quick makes stops short: they wait for open receives.
func (p *place) quick() *place {
	p.cfg.PollWait, p.cfg.Logger = time.Second, testLogger(p.t)
	return p
}

// What the stock publishers of watermill-aws publish, our source reads as it was.
func TestSourceReadsWhatStockPublishes(t *testing.T) {
	for name, publisher := range map[string]func(*place) (message.Publisher, string){
		"SNS": func(p *place) (message.Publisher, string) {
			arn := *p.topicARN("message")
			pub, err := wmsns.NewPublisher(wmsns.PublisherConfig{
				AWSConfig: p.cfg.AWS, TopicResolver: wmsns.TransparentTopicResolver{}, DoNotCreateTopicIfNotExists: true,
			}, watermill.NopLogger{})
			p.check(err)
			return pub, arn
		},
		"SQS": func(p *place) (message.Publisher, string) {
			pub, err := wmsqs.NewPublisher(wmsqs.PublisherConfig{
				AWSConfig: p.cfg.AWS, DoNotCreateQueueIfNotExists: true,
			}, watermill.NopLogger{})
			p.check(err)
			return pub, p.full("history")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, false).quick()
			b := p.openBus()
			pub, to := publisher(p)
			sent := map[string]*message.Message{}
			for i := range 25 {
				msg := message.NewMessage(watermill.NewUUID(), []byte(fmt.Sprintf(`{"n": %d, "text": "größe 😀 <b>&"}`, i)))
				msg.Metadata.Set("lane", fmt.Sprintf("lane-%d", i%5))
				msg.Metadata.Set("of", "somebody else")
				sent[msg.UUID] = msg
				p.check(pub.Publish(to, msg))
			}
			p.check(pub.Close())
			s := p.openSource(b, amazon.Visibility)
			for len(sent) > 0 {
				batch := fetch(t, s, 256)
				for _, d := range batch {
					want := sent[d.Message.UUID]
					if want == nil {
						t.Fatalf("message %q was not sent, or came twice", d.Message.UUID)
					}
					mustEqual(t, want, d.Message)
					if d.Key != want.Metadata.Get("lane") {
						t.Errorf("key %q of lane %q", d.Key, want.Metadata.Get("lane"))
					}
					delete(sent, d.Message.UUID)
				}
				ackAll(t, s, batch)
			}
		})
	}
}
