package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/layer"
)

func (s source) Trim(ctx context.Context, req admin.TrimRequest, report admin.Progress) (done admin.TrimReport, err error) {
	i, leave, err := s.enter()
	if err != nil {
		return done, err
	}
	defer leave()
	before, err := i.pool.Status(ctx)
	if err != nil {
		return done, err
	}
	if len(req.Layers) > 0 || req.All {
		if done.Layers, err = i.trimLayers(ctx, req.Layers, report); err != nil {
			return done, err
		}
	}
	after, err := i.pool.Status(ctx)
	if err != nil {
		return done, err
	}
	done.Freed = max(0, int64(before.DataUsed)-int64(after.DataUsed)) * after.BlockSize
	if req.Pool {
		done.PoolBytes, err = i.layers.TrimPool(ctx, func(bytes, total int64) {
			report(fmt.Sprintf("free space of the pool, %s of %s", size(bytes), units.HumanSize(float64(total))))
		})
	}
	return done, err
}

func (i *instance) trimLayers(ctx context.Context, ids []string, report admin.Progress) (done []admin.Trimmed, err error) {
	for _, id := range ids {
		if !i.layers.Exists(id) {
			return nil, fmt.Errorf("%w: %s", admin.ErrNoLayer, id)
		}
	}
	report("trimming layers")
	err = i.layers.Trim(ctx, ids, func(t layer.Trimmed) {
		trimmed := admin.Trimmed{Layer: t.ID, Bytes: t.Bytes}
		if t.Err != nil {
			trimmed.Error = t.Err.Error()
		}
		done = append(done, trimmed)
		report(fmt.Sprintf("layer %s, %s free", t.ID, size(t.Bytes)))
	})
	return done, err
}

// refusal gives an error of the layer store the admin API's word for it.
func refusal(err error) error {
	switch {
	case errors.Is(err, layer.ErrUnknown):
		return fmt.Errorf("%w: %w", admin.ErrNoLayer, err)
	case errors.Is(err, layer.ErrInUse), errors.Is(err, layer.ErrExists), errors.Is(err, layer.ErrUnfinished):
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	return err
}
