package ingress

import (
	"cmp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/channels"
)

// The actions of a route in metrics and logs, beside the channel's own. They are a closed set whatever a caller sends.
const (
	actionReceive   = "receive"
	actionPreflight = "preflight"
	actionMedia     = "media"
	actionUnknown   = "unknown"
	routeUnknown    = "unknown"
)

// actionOther stands for every word of a provider's that its channel does not know.
const actionOther = "other"

// metrics are what ingress tells about itself.
type metrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	publish     prometheus.Histogram
	unpublished prometheus.Counter
	ignored     *prometheus.CounterVec
	repaired    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	rotated     *prometheus.CounterVec
}

// seconds are the buckets of both histograms: from a healthy publish, under 1 ms, to LiveChat's patience of 10 s.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	const namespace, subsystem = "livepipe", "ingress"
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "requests_total",
			Help: "Requests answered, by route, action and status code.",
		}, []string{"route", "action", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "request_duration_seconds",
			Help: "Time from the head of a request to the end of its answer.", Buckets: seconds,
		}, []string{"route", "action"}),
		publish: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "publish_duration_seconds",
			Help: "Time until the broker has confirmed all events of a request.", Buckets: seconds,
		}),
		unpublished: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "publish_failures_total",
			Help: "Requests whose events the broker did not confirm.",
		}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "ignored_events_total",
			Help: "Requests that have no effect, by why and by the provider's word where it is a known one: answered and published nowhere.",
		}, []string{"route", "kind", "action"}),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "repaired_bodies_total",
			Help: "Bodies that were read although something in them is not right, by what that was.",
		}, []string{"what"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "refused_credentials_total",
			Help: "Requests refused for their credentials, by why.",
		}, []string{"reason"}),
		rotated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "rotated_credentials_used_total",
			Help: "Requests let in by a credential that a newer one has replaced, by its kind.",
		}, []string{"kind"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.publish, m.unpublished, m.ignored, m.repaired, m.refused, m.rotated} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(route, action string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, action, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route, action).Observe(took.Seconds())
}

// told counts what a decoder says about a body. Its words are a closed set.
func (m *metrics) told(route string, got channels.Received) {
	if got.Ignored != "" {
		m.ignored.WithLabelValues(route, got.Ignored, cmp.Or(got.Action, actionOther)).Inc()
	}
	for what, n := range got.Repaired {
		if n > 0 {
			m.repaired.WithLabelValues(what).Inc()
		}
	}
}
