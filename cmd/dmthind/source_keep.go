package main

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/state"
)

func (s source) Snapshot(ctx context.Context, req admin.SnapshotRequest) (admin.Layer, error) {
	i, leave, err := s.enter()
	if err != nil {
		return admin.Layer{}, err
	}
	defer leave()
	if err := state.CheckName(req.ID); err != nil {
		return admin.Layer{}, fmt.Errorf("%w: %w", admin.ErrBadRequest, err)
	}
	if err := i.layers.Snapshot(ctx, req.ID, req.Parent); err != nil {
		return admin.Layer{}, refusal(err)
	}
	s.d.log.WithFields(map[string]any{"layer": req.ID, "parent": req.Parent}).Info("made a snapshot through the admin socket")
	return s.Layer(ctx, req.ID)
}

func (s source) Remove(ctx context.Context, id string, force bool) error {
	i, leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := i.layers.RemoveUnused(ctx, id, force); err != nil {
		return refusal(err)
	}
	s.d.log.WithField("layer", id).Info("removed a layer through the admin socket")
	return nil
}

func (s source) Hold(ctx context.Context, id string, req admin.HoldRequest) (admin.Held, error) {
	i, leave, err := s.enter()
	if err != nil {
		return admin.Held{}, err
	}
	defer leave()
	held, err := i.layers.Hold(ctx, id, req.Write)
	if err != nil {
		return admin.Held{}, refusal(err)
	}
	return admin.Held{ID: id, Device: held.Device, Filesystem: string(held.Filesystem), Root: held.Root}, nil
}

func (s source) Release(ctx context.Context, id string) error {
	i, leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return refusal(i.layers.Release(ctx, id))
}
