package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins every name of ours.
const namespace = "dmthin"

// Metrics is everything that is measured. Make it with New. It may be used by
// many goroutines at once.
type Metrics struct {
	registry *prometheus.Registry
	calls    calls
	diffs    *prometheus.CounterVec
}

// Build identifies the build that runs.
type Build struct{ Version, Revision, GoVersion string }

// New measures what view shows, the calls that ObserveCall is told of, and this
// process.
func New(view View, build Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), calls: newCalls(), diffs: newDiffs()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(build),
		m.calls.duration, m.calls.failures, m.diffs,
		collector{view},
	)
	return m
}

// Handler answers Prometheus' scrapes. A View that fails is no failed scrape:
// dmthin_ready is 0 then, and the pool's metrics are missing.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func buildInfo(build Build) prometheus.Collector {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help: "The build that runs; always 1.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": build.Revision, "goversion": build.GoVersion,
		},
	})
	gauge.Set(1)
	return gauge
}
