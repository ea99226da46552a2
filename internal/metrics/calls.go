package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// calls counts dockerd's calls.
type calls struct {
	duration *prometheus.HistogramVec
	failures *prometheus.CounterVec
}

// methods are the protocol's. Each has a time series from the start: a failure
// that is the first must show as an increase.
var methods = []string{
	"Activate", "Init", "Capabilities", "Create", "CreateReadWrite", "Remove", "Get", "Put", "Exists",
	"Status", "GetMetadata", "Cleanup", "Diff", "Changes", "ApplyDiff", "DiffSize",
}

func newCalls() calls {
	c := calls{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "call_duration_seconds",
			Help: "Time that a call of dockerd took, streams included, by call.",
			// A call takes a millisecond; a diff or an upload as long as its data.
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"call"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "call_failures_total",
			Help: "Calls of dockerd that were answered with an error, by call.",
		}, []string{"call"}),
	}
	for _, method := range methods {
		c.duration.WithLabelValues(method)
		c.failures.WithLabelValues(method)
	}
	return c
}

// ObserveCall counts one call of dockerd. method is the protocol's, without
// "GraphDriver." in front. It never blocks.
func (m *Metrics) ObserveCall(method string, d time.Duration, err error) {
	m.calls.duration.WithLabelValues(method).Observe(d.Seconds())
	if err != nil {
		m.calls.failures.WithLabelValues(method).Inc()
	}
}
