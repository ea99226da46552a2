package metrics

import "github.com/prometheus/client_golang/prometheus"

// newDiffs tells comparisons apart by how they were done, and by why so.
func newDiffs() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "diffs_total",
		Help: "Comparisons of a layer with its parent, by method: blocks looks at what differs in the pool, listing lists all names as well, walk looks at every file. reason says why it was a walk, or that a walk verified it.",
	}, []string{"method", "reason"})
}

// ObserveDiff counts one comparison of two layers. It never blocks.
func (m *Metrics) ObserveDiff(method, reason string) {
	m.diffs.WithLabelValues(method, reason).Inc()
}
