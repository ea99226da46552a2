package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func (s source) Collect(ctx context.Context, req admin.CollectRequest, report admin.Progress) (admin.CollectReport, error) {
	i, leave, err := s.enter()
	if err != nil {
		return admin.CollectReport{}, err
	}
	defer leave()
	c := collector{i: i, req: req, report: report}
	if err := i.layers.Inspect(ctx, func(in layer.Inspection) error { return c.look(ctx, in) }); err != nil {
		return admin.CollectReport{}, err
	}
	err = c.collectLayers(ctx)
	if err == nil && req.Leaked {
		err = c.collectLeaked(ctx)
	}
	return c.done, err
}

// collector does one CollectRequest.
type collector struct {
	i      *instance
	req    admin.CollectRequest
	report admin.Progress
	done   admin.CollectReport

	pool    check.Pool
	leaked  []uint32
	devices map[string]uint32 // device IDs of layers
}

func (c *collector) look(ctx context.Context, in layer.Inspection) (err error) {
	if c.pool, err = c.i.poolView(ctx, in); err != nil {
		return err
	}
	c.leaked = check.Leaked(in.Records, c.pool)
	c.devices = map[string]uint32{}
	for name, r := range in.Records.Layers {
		c.devices[name] = r.DeviceID
	}
	return nil
}

func (c *collector) collectLayers(ctx context.Context) error {
	o := layer.CollectOptions{
		MinAge: time.Duration(c.req.MinAgeSeconds) * time.Second,
		DryRun: !c.req.Delete, Going: map[string]bool{},
	}
	for n, id := range c.req.Layers {
		c.report(fmt.Sprintf("layer %s (%d of %d)", id, n+1, len(c.req.Layers)))
		err := c.i.layers.Collect(ctx, id, o)
		g := admin.Garbage{Layer: id, DeviceID: c.devices[id], Mapped: c.mapped(c.devices[id])}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, layer.ErrUnknown):
			continue // gone meanwhile
		case err != nil:
			g.Kept = reason(err)
		default:
			g.Deleted, o.Going[id] = c.req.Delete, true
		}
		c.done.Garbage = append(c.done.Garbage, g)
	}
	return nil
}

func (c *collector) collectLeaked(ctx context.Context) error {
	for n, id := range c.leaked {
		c.report(fmt.Sprintf("device %d (%d of %d)", id, n+1, len(c.leaked)))
		g := admin.Garbage{Leaked: true, DeviceID: id, Mapped: c.mapped(id)}
		switch err := c.deleteLeaked(ctx, id); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			g.Kept = reason(err)
		default:
			g.Deleted = c.req.Delete
		}
		c.done.Garbage = append(c.done.Garbage, g)
	}
	return nil
}

func (c *collector) deleteLeaked(ctx context.Context, id uint32) error {
	if !c.req.Delete {
		return nil
	}
	end, err := c.end(ctx, id)
	if err != nil {
		return err
	}
	return c.i.layers.DeleteLeaked(ctx, thinpool.DeviceID(id), end)
}

func (c *collector) mapped(id uint32) int64 {
	if d, ok := c.pool.Devices[id]; ok {
		return d.MappedBytes
	}
	return admin.MappedUnknown
}

// end is how far a device of unknown size is mapped, in bytes.
func (c *collector) end(ctx context.Context, id uint32) (end int64, err error) {
	err = c.i.layers.Inspect(ctx, func(in layer.Inspection) error {
		end, err = mappedEnd(ctx, in.Metadata, id, in.Status.BlockSize)
		return err
	})
	return end, err
}

func reason(err error) string {
	return strings.TrimPrefix(err.Error(), layer.ErrInUse.Error()+": ")
}
