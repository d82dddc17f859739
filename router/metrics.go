package router

import (
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/messages"
)

// metrics are the router's figures. Every label is a word of a closed set: workers of the route table, outcomes, reasons.
type metrics struct {
	handled      *prometheus.CounterVec
	failed       *prometheus.CounterVec
	retried      *prometheus.CounterVec
	deadLettered *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	inFlight     *prometheus.GaugeVec
}

// newMetrics registers the figures and starts each at zero, so that a rate is right from the first event on.
func newMetrics(reg prometheus.Registerer, workers []Worker) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "livepipe", Subsystem: "worker", Name: name, Help: help,
		}, append([]string{"worker"}, labels...))
	}
	m := &metrics{
		handled:      counter("handled_total", "Events handled to their end."),
		failed:       counter("failed_total", "Handler runs that did not end well, by outcome.", "outcome"),
		retried:      counter("retried_total", "Events handed back to be handled again."),
		deadLettered: counter("dead_lettered_total", "Events set aside, by reason.", "reason"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "livepipe", Subsystem: "worker", Name: "duration_seconds", Help: "Time of one handler run.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"worker"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "livepipe", Subsystem: "worker", Name: "in_flight", Help: "Handler runs under way.",
		}, []string{"worker"}),
	}
	for _, w := range workers {
		m.start(w.Binding.Worker)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.handled, m.failed, m.retried, m.deadLettered, m.duration, m.inFlight} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) start(worker string) {
	m.handled.WithLabelValues(worker)
	m.retried.WithLabelValues(worker)
	m.duration.WithLabelValues(worker)
	m.inFlight.WithLabelValues(worker)
	for _, o := range failures() {
		m.failed.WithLabelValues(worker, string(o))
	}
	for _, reason := range messages.Reasons() {
		m.deadLettered.WithLabelValues(worker, reason)
	}
}

// measure counts every run with the verdict that the dead-letter middleware reached.
func (w *worker) measure(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		w.metrics.inFlight.WithLabelValues(w.name).Inc()
		defer w.metrics.inFlight.WithLabelValues(w.name).Dec()
		began := time.Now()
		_, err := next(msg)
		w.metrics.duration.WithLabelValues(w.name).Observe(time.Since(began).Seconds())
		v := deliveryOf(msg.Context()).verdict
		if v.outcome == handled {
			w.metrics.handled.WithLabelValues(w.name).Inc()
			return nil, err
		}
		w.metrics.failed.WithLabelValues(w.name, string(v.outcome)).Inc()
		if v.outcome == deadLetter {
			w.metrics.deadLettered.WithLabelValues(w.name, v.reason).Inc()
		} else {
			w.metrics.retried.WithLabelValues(w.name).Inc()
		}
		return nil, err
	}
}
