package amazon_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// The sizes of one round. Rounds of the two sides alternate, so that what else the machine does meets both.
const (
	rounds      = 3
	bodySize    = 512
	stockEvents = 500  // a round of stock takes three seconds for as many
	ourEvents   = 5000 // so that a round of ours takes about as long
)

// AWS's list prices of us-east-1: a million requests beyond the free tier.
const (
	snsPrice = 0.50
	sqsPrice = 0.40
)

// side is one transport in its own topic and queue behind its own proxy.
type side struct {
	name      string
	proxy     *latencyProxy
	publisher message.Publisher
	topic     string
	subscribe func(b *testing.B, concurrency int) (<-chan *message.Message, func())
	events    int

	mu      sync.Mutex
	waiting map[string]time.Time // published and not handled yet, since when
	handled chan struct{}        // closed when none waits
}

// BenchmarkAgainstStock prints the table of docs/benchmarks.md: ours and stock watermill-aws in the same run, in turns,
// each through a proxy that adds 5 ms to a call and counts it, with the same cure for the SDK's lost replies. Beside them
// stands what the broker allows at all: the SDK's batch calls alone, in the same turns.
func BenchmarkAgainstStock(b *testing.B) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		b.Skip("needs SNS and SQS: run make bench-aws")
	}
	ours, stock, broker := newOurs(b, endpoint), newStock(b, endpoint), newRaw(b, endpoint)
	table := map[string]map[string][]float64{}
	add := func(what, who string, value float64) {
		if table[what] == nil {
			table[what] = map[string][]float64{}
		}
		table[what][who] = append(table[what][who], value)
	}
	note := func(what string, s *side, value float64) { add(what, s.name, value) }
	for range rounds {
		for _, s := range []*side{stock, ours} {
			before := mallocs()
			note("published in one call, events/s", s, float64(s.events)/s.publishAll(b).Seconds())
			published := s.proxy.take()
			note("consumed by one subscriber, events/s", s, float64(s.events)/s.consumeAll(b).Seconds())
			consumed := s.proxy.take()
			note("allocations per event, publish to delete", s, float64(mallocs()-before)/float64(s.events))
			note("paid calls per event", s, float64(sum(published)+sum(consumed))/float64(s.events))
			note("dollars per million events", s,
				(snsPrice*float64(sum(published))+sqsPrice*float64(sum(consumed)))/float64(s.events))
			b.Logf("%s: %v %v", s.name, published, consumed)
			note("published by 64 callers, events/s", s, float64(s.events)/s.publishTogether(b, 64).Seconds())
			s.consumeAll(b)
			s.proxy.take()
		}
		published := ourEvents / broker.publish(b, ourEvents).Seconds()
		add("published in one call, events/s", "SDK", published)
		add("published by 64 callers, events/s", "SDK", published)
		add("consumed by one subscriber, events/s", "SDK", ourEvents/broker.consume(b, ourEvents).Seconds())
	}
	for _, s := range []*side{stock, ours} {
		p50, p99 := s.latency(b, 20, 400)
		note("publish to handled at 20/s, p50 ms", s, p50)
		note("publish to handled at 20/s, p99 ms", s, p99)
	}
	one, four := ours.scaled(b, 1), ours.scaled(b, 4)
	var rows []string
	for what, by := range table {
		stock, ours := median(by["stock"]), median(by["ours"])
		row := fmt.Sprintf("%-42s stock %10.2f   ours %10.2f   ratio %8.2f", what, stock, ours, ours/stock)
		if by["SDK"] != nil {
			sdk := median(by["SDK"])
			row += fmt.Sprintf("   SDK alone %10.2f, %.2f x stock, ours %.2f of it", sdk, sdk/stock, ours/sdk)
		}
		rows = append(rows, row)
	}
	slices.Sort(rows)
	b.Logf("medians of %d rounds, %d B, +%s a call\n%s\nfour workers against one, 20 ms handler        %.0f/s / %.0f/s = %.2f of 4",
		rounds, bodySize, hop, strings.Join(rows, "\n"), four, one, four/one/4)
}

// awsThrough talks to the proxy, without what makes the SDK lose replies.
func awsThrough(b *testing.B, p *latencyProxy) aws.Config {
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &p.url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: amazon.ClientOver(transport),
	}
}

// provision makes a topic and a queue that nobody else has.
func provision(b *testing.B, endpoint string) (*latencyProxy, amazon.Config) {
	b.Helper()
	p := newLatencyProxy(b, endpoint)
	config := amazon.Config{
		AWS: awsThrough(b, p), Prefix: "b" + strings.ToLower(rand.Text()[:10]), PollWait: time.Second, Logger: slog.New(slog.DiscardHandler),
		Queues: []amazon.Queue{{Name: "work", Topics: []string{"events"}}},
	}
	if _, err := amazon.Provision(b.Context(), config, amazon.ProvisionOptions{}); err != nil {
		b.Fatal(err)
	}
	return p, config
}

func newOurs(b *testing.B, endpoint string) *side {
	p, config := provision(b, endpoint)
	bus, err := amazon.Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { bus.Close() })
	open := func(ctx context.Context, queue string) (lanes.Source, error) { return bus.Source(ctx, queue) }
	return &side{
		name: "ours", proxy: p, publisher: bus.Publisher(), topic: "events", events: ourEvents,
		subscribe: func(b *testing.B, concurrency int) (<-chan *message.Message, func()) {
			engine := bus.Engine()
			engine.Concurrency = concurrency
			s, err := lanes.New(engine, open, config.Logger, lanes.NewMetrics(prometheus.NewRegistry()))
			if err != nil {
				b.Fatal(err)
			}
			return subscribed(b, s, "work")
		},
	}
}

func newStock(b *testing.B, endpoint string) *side {
	p, config := provision(b, endpoint)
	resolver, err := wmsns.NewGenerateArnTopicResolver("000000000000", "us-east-1")
	if err != nil {
		b.Fatal(err)
	}
	publisher, err := wmsns.NewPublisher(wmsns.PublisherConfig{
		AWSConfig: config.AWS, TopicResolver: resolver, DoNotCreateTopicIfNotExists: true,
	}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	return &side{
		name: "stock", proxy: p, publisher: publisher, topic: config.Prefix + "-events", events: stockEvents,
		subscribe: func(b *testing.B, _ int) (<-chan *message.Message, func()) {
			s, err := wmsqs.NewSubscriber(wmsqs.SubscriberConfig{
				AWSConfig: config.AWS, DoNotCreateQueueIfNotExists: true,
				GenerateReceiveMessageInput: func(_ context.Context, url wmsqs.QueueURL) (*sqs.ReceiveMessageInput, error) {
					return &sqs.ReceiveMessageInput{
						QueueUrl: aws.String(string(url)), MessageAttributeNames: []string{"All"}, WaitTimeSeconds: 1,
						MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
					}, nil
				},
			}, nil)
			if err != nil {
				b.Fatal(err)
			}
			return subscribed(b, s, config.Prefix+"-work")
		},
	}
}

func subscribed(b *testing.B, s message.Subscriber, queue string) (<-chan *message.Message, func()) {
	b.Helper()
	out, err := s.Subscribe(b.Context(), queue)
	if err != nil {
		b.Fatal(err)
	}
	return out, func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}

// message makes one that is waited for from now on.
func (s *side) message() *message.Message {
	m := message.NewMessage(rand.Text(), []byte(strings.Repeat("x", bodySize)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.waiting, s.handled = map[string]time.Time{}, make(chan struct{})
	}
	s.waiting[m.UUID] = time.Now()
	return m
}

// done says how long a message took. What was handled before, and comes again because stock did not delete it when it
// was closed, counts for nothing.
func (s *side) done(m *message.Message) (took time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := s.waiting[m.UUID]
	if delete(s.waiting, m.UUID); ok && len(s.waiting) == 0 {
		close(s.handled)
	}
	return time.Since(since), ok
}

// publishAll is one call of Publish with everything, as a worker that emits many events does.
func (s *side) publishAll(b *testing.B) time.Duration {
	b.Helper()
	all := make([]*message.Message, s.events)
	for i := range all {
		all[i] = s.message()
	}
	begun := time.Now()
	if err := s.publisher.Publish(s.topic, all...); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

// publishTogether is many calls of Publish with one message each, as ingress makes them.
func (s *side) publishTogether(b *testing.B, callers int) time.Duration {
	b.Helper()
	all := make(chan *message.Message, s.events)
	for range s.events {
		all <- s.message()
	}
	close(all)
	begun := time.Now()
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() {
			for m := range all {
				s.publish(b, m)
			}
		})
	}
	calls.Wait()
	return time.Since(begun)
}

func (s *side) publish(b *testing.B, m *message.Message) {
	if err := s.publisher.Publish(s.topic, m); err != nil {
		b.Errorf("%s: %v", s.name, err)
		s.done(m)
	}
}

// consumeAll handles what stands in the queue, until the last one is deleted.
func (s *side) consumeAll(b *testing.B) time.Duration {
	b.Helper()
	begun := time.Now()
	out, stop := s.subscribe(b, 64)
	go s.handle(out, 0, func(time.Duration) {})
	<-s.handled
	stop()
	return time.Since(begun)
}

// handle acknowledges messages, each in its own goroutine as Watermill's router does, until out is closed.
func (s *side) handle(out <-chan *message.Message, work time.Duration, note func(took time.Duration)) {
	for msg := range out {
		go func() {
			if work > 0 {
				<-time.NewTimer(work).C
			}
			msg.Ack()
			if took, ok := s.done(msg); ok {
				note(took)
			}
		}()
	}
}

// latency publishes n events at a rate and says how many milliseconds they take until they are handled.
func (s *side) latency(b *testing.B, perSecond, n int) (p50, p99 float64) {
	b.Helper()
	out, stop := s.subscribe(b, 64)
	took := make(chan float64, n)
	go s.handle(out, 0, func(d time.Duration) { took <- float64(d.Microseconds()) / 1000 })
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var calls sync.WaitGroup
	for range n {
		<-tick.C
		calls.Go(func() { s.publish(b, s.message()) })
	}
	calls.Wait()
	all := make([]float64, n)
	for i := range all {
		all[i] = <-took
	}
	stop()
	slices.Sort(all)
	return all[n/2], all[n*99/100]
}

// scaled is how many events with 20 ms of work so many subscribers handle in a second, four at a time each.
func (s *side) scaled(b *testing.B, subscribers int) float64 {
	b.Helper()
	const each, concurrency = 1000, 4
	s.events = each * subscribers
	s.publishAll(b)
	begun := time.Now()
	var stops []func()
	for range subscribers {
		out, stop := s.subscribe(b, concurrency)
		stops = append(stops, stop)
		go s.handle(out, 20*time.Millisecond, func(time.Duration) {})
	}
	<-s.handled
	took := time.Since(begun)
	for _, stop := range stops {
		stop()
	}
	return float64(s.events) / took.Seconds()
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
