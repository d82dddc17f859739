package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/router"
)

// backlogBound is how long one scrape may ask the broker: Prometheus gives a scrape 10 s by default.
const backlogBound = 2 * time.Second

// backlog asks the broker at each scrape how much of every queue is not handled yet. It is what an operator scales on.
type backlog struct {
	ask     func(ctx context.Context, queue string) (int64, time.Time, error)
	workers []router.Binding
	events  *prometheus.Desc
	lag     *prometheus.Desc
}

func newBacklog(ask func(context.Context, string) (int64, time.Time, error), workers []router.Binding) *backlog {
	return &backlog{
		ask: ask, workers: workers,
		events: prometheus.NewDesc("livepipe_worker_backlog_events",
			"Events in the worker's queue that are not handled yet.", []string{"worker"}, nil),
		lag: prometheus.NewDesc("livepipe_worker_lag_seconds",
			"Age of the oldest event in the worker's queue that is not handled yet.", []string{"worker"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(ch chan<- *prometheus.Desc) {
	ch <- b.events
	ch <- b.lag
}

// Collect implements prometheus.Collector. A queue that does not answer is left out: a wrong zero would scale down.
func (b *backlog) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), backlogBound)
	defer cancel()
	var asking sync.WaitGroup
	for _, w := range b.workers {
		asking.Go(func() {
			events, oldest, err := b.ask(ctx, w.Worker)
			if err != nil {
				return
			}
			ch <- prometheus.MustNewConstMetric(b.events, prometheus.GaugeValue, float64(events), w.Worker)
			if events > 0 && oldest.IsZero() {
				return // the broker does not say, as SQS does not
			}
			lag := 0.0
			if !oldest.IsZero() {
				lag = max(0, time.Since(oldest).Seconds())
			}
			ch <- prometheus.MustNewConstMetric(b.lag, prometheus.GaugeValue, lag, w.Worker)
		})
	}
	asking.Wait()
}
