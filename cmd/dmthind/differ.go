package main

import (
	"context"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/blockdiff"
	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// diffObserver counts comparisons of layers.
type diffObserver func(method, reason string)

// differ is package blockdiff as the layer store sees it.
type differ struct{ *blockdiff.Differ }

func newDiffer(pool *thinpool.Pool, metadata *poolMetadata, observe diffObserver, verify float64, log *logrus.Entry) differ {
	return differ{blockdiff.New(blockdiff.Config{
		Metadata:   metadata,
		DataDevice: pool.DataDevice,
		Verify:     verify,
		Log:        log,
		Observe:    func(o blockdiff.Outcome) { observe(string(o.Method), string(o.Reason)) },
	})}
}

func (d differ) Changes(ctx context.Context, l, parent layer.Side, still layer.Still) ([]diff.Change, error) {
	return d.Differ.Changes(ctx, side(l), side(parent), blockdiff.Still(still))
}

func side(s layer.Side) blockdiff.Layer { return blockdiff.Layer{Dir: s.Dir, Device: uint32(s.Device)} }
