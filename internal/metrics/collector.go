package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds one look at the daemon. Prometheus' own limit is 10 s
// where nothing else is set.
const scrapeTimeout = 5 * time.Second

// metric is one number of a Snapshot.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(Snapshot) float64 // negative: left out
}

func gauge(name, help string, value func(Snapshot) float64) metric {
	return metric{describe(name, help), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(Snapshot) float64) metric {
	return metric{describe(name, help), prometheus.CounterValue, value}
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Those with labels.
var (
	ready    = describe("ready", "1 while the pool is open and dockerd's calls are served, otherwise 0.")
	poolInfo = describe("pool_info", "The pool in use; always 1.", "pool", "backend", "filesystem")
	poolMode = describe("pool_mode", "1 for the mode that the pool is in, 0 for the others.", "mode")
	recovery = describe("recovery_outcome", "1 for what the last start did about work that was under way when its predecessor ended, 0 for the others.", "outcome")
)

// collector reads a Snapshot at each scrape.
type collector struct{ view View }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{ready, poolInfo, poolMode, recovery} {
		ch <- d
	}
	for _, m := range numbers {
		ch <- m.desc
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	s, err := c.view.Metrics(ctx)
	ch <- prometheus.MustNewConstMetric(ready, prometheus.GaugeValue, flag(err == nil))
	if s.Recovery != "" {
		for _, outcome := range recoveries {
			ch <- prometheus.MustNewConstMetric(recovery, prometheus.GaugeValue, flag(s.Recovery == outcome), string(outcome))
		}
	}
	if err != nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(poolInfo, prometheus.GaugeValue, 1, s.Pool.Name, s.Pool.Backend, s.Pool.Filesystem)
	for _, mode := range modes {
		ch <- prometheus.MustNewConstMetric(poolMode, prometheus.GaugeValue, flag(s.Pool.Mode == mode), string(mode))
	}
	for _, m := range numbers {
		if v := m.value(s); v >= 0 {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v)
		}
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// seconds is a time as Prometheus has it, 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
