package lanes

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the Prometheus series of every Subscriber that shares them. The label worker is the queue's name.
type Metrics struct {
	inFlight     *prometheus.GaugeVec
	heldMessages *prometheus.GaugeVec
	heldBodies   *prometheus.GaugeVec
	heldBytes    *prometheus.GaugeVec
	closed       *prometheus.GaugeVec
	paused       *prometheus.GaugeVec
	retries      *prometheus.CounterVec
	sourceErrors *prometheus.CounterVec
}

// NewMetrics registers the series once; give the result to every Subscriber of the process.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "livepipe", Subsystem: "lanes", Name: name, Help: help,
		}, []string{"worker"})
		reg.MustRegister(g)
		return g
	}
	counter := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "livepipe", Subsystem: "lanes", Name: name, Help: help,
		}, []string{"worker", label})
		reg.MustRegister(c)
		return c
	}
	return &Metrics{
		inFlight:     gauge("in_flight", "Messages being handled."),
		heldMessages: gauge("held_messages", "Leases held, from receive to settle, with or without a body in memory."),
		heldBodies:   gauge("held_bodies", "Message bodies in memory."),
		heldBytes:    gauge("held_bytes", "Bytes of the message bodies in memory."),
		closed:       gauge("closed", "Lanes that wait for a retry."),
		paused:       gauge("paused", "Subscriptions whose intake is paused because something the worker needs is down."),
		retries:      counter("retries_total", "Messages that will be handled again, by outcome: failed, unavailable, postponed; crowded: not handled, because its lane was full.", "outcome"),
		sourceErrors: counter("source_errors_total", "Failed calls or batch entries of the queue, by call: fetch, settle, extend, reread.", "call"),
	}
}

// level is a gauge that several subscriptions of one worker share, so that it moves by differences.
type level struct {
	gauge prometheus.Gauge
	value int
}

func (l *level) set(value int) {
	if value != l.value {
		l.gauge.Add(float64(value - l.value))
		l.value = value
	}
}

// meters are the series of one subscription.
type meters struct {
	inFlight, heldMessages, heldBodies, heldBytes, closed, paused level
	failed, unavailable, postponed, crowded                       prometheus.Counter
	fetchErrors, settleErrors, extendErrors, rereadErrors         prometheus.Counter
}

func (m *Metrics) of(worker string) meters {
	return meters{
		inFlight:     level{gauge: m.inFlight.WithLabelValues(worker)},
		heldMessages: level{gauge: m.heldMessages.WithLabelValues(worker)},
		heldBodies:   level{gauge: m.heldBodies.WithLabelValues(worker)},
		heldBytes:    level{gauge: m.heldBytes.WithLabelValues(worker)},
		closed:       level{gauge: m.closed.WithLabelValues(worker)},
		paused:       level{gauge: m.paused.WithLabelValues(worker)},
		failed:       m.retries.WithLabelValues(worker, "failed"),
		unavailable:  m.retries.WithLabelValues(worker, "unavailable"),
		postponed:    m.retries.WithLabelValues(worker, "postponed"),
		crowded:      m.retries.WithLabelValues(worker, "crowded"),
		fetchErrors:  m.sourceErrors.WithLabelValues(worker, "fetch"),
		settleErrors: m.sourceErrors.WithLabelValues(worker, "settle"),
		extendErrors: m.sourceErrors.WithLabelValues(worker, "extend"),
		rereadErrors: m.sourceErrors.WithLabelValues(worker, "reread"),
	}
}
