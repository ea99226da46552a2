package metrics

import "github.com/prometheus/client_golang/prometheus"

// diffs is told apart by how the layers were compared and, for the slowest way,
// by why.
func newDiffs() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "diffs_total",
		Help: "Comparisons of a layer with its parent, by how it was done: names and blocks follow the number of changes, walk looks at every file. reason says why it was a walk.",
	}, []string{"method", "reason"})
}

// ObserveDiff counts one comparison of two layers. It never blocks.
func (m *Metrics) ObserveDiff(method, reason string) {
	m.diffs.WithLabelValues(method, reason).Inc()
}
