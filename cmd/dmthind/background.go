package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/monitor"
)

// background is what an instance does unasked: it watches the pool, and gives
// space that containers have freed back to it.
type background struct {
	monitor *monitor.Monitor
	events  *dm.Events // nil where the kernel has none
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// startBackground begins once pool and layers are open.
func (i *instance) startBackground() *background {
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel: cancel}
	grow := i.storage.growth()
	cfg := monitor.Config{
		Pool: i.pool, Grower: grow.grower, Host: grow.host, ExtendPercent: grow.threshold,
		QueueWhenFull: !i.options.ErrorIfNoSpace, HowToGrow: grow.howTo, Log: i.log,
	}
	events, err := dm.OpenEvents()
	if err != nil {
		i.log.WithError(err).Warn("device-mapper events are not to be had: the pool is looked at every few seconds only")
	} else {
		b.events, cfg.Events = events, events
	}
	b.monitor = monitor.New(cfg)
	b.running.Go(func() { b.monitor.Run(ctx) })
	if i.trimInterval > 0 {
		b.running.Go(func() { i.trimRegularly(ctx) })
	}
	return b
}

// stop waits for what is under way, until ctx ends. Nil is a background that
// never started.
func (b *background) stop(ctx context.Context) error {
	if b == nil {
		return nil
	}
	b.cancel()
	ended := make(chan struct{})
	go func() { b.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("wait for the watch over the pool to end: %w", ctx.Err())
	}
	if b.events == nil {
		return nil
	}
	return b.events.Close()
}

// trimRegularly trims all mounted layers, the first time after one interval.
func (i *instance) trimRegularly(ctx context.Context) {
	tick := time.NewTicker(i.trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var total int64
		err := i.layers.Trim(ctx, nil, func(t layer.Trimmed) {
			total += t.Bytes
			if t.Err != nil {
				i.log.WithError(t.Err).WithField("layer", t.ID).Warn("the layer could not be trimmed")
			}
		})
		if err != nil {
			return // stopped
		}
		i.log.WithField("bytes", total).Info("trimmed the mounted layers")
	}
}
