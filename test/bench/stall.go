package main

import (
	"context"
	"errors"
	"time"

	"github.com/docker/docker/daemon/graphdriver"
)

// disturbance is work on layers while somebody asks about another one.
type disturbance struct {
	figure string
	// prepare makes what calls need, and returns them with the layers to remove.
	prepare func(b *bench, s *subject, image string) (calls []func() error, left []string, err error)
}

var disturbances = []disturbance{
	{figStallCreate, func(b *bench, s *subject, image string) ([]func() error, []string, error) {
		return b.creations(s, image, nil)
	}},
	{figStallGrow, func(b *bench, s *subject, image string) ([]func() error, []string, error) {
		return b.creations(s, image, &graphdriver.CreateOpts{StorageOpt: map[string]string{"size": "12G"}})
	}},
	{figStallDiff, diffs},
	{figStallRemove, removals},
}

// stalls asks about a mounted layer, every few milliseconds, first alone and
// then while others are made, grown, compared and removed. What is recorded is
// the 99th percentile less the median when alone, its own work.
func stalls(ctx context.Context, b *bench, s *subject) (err error) {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	other, err := s.child(image)
	if err != nil {
		return err
	}
	if _, err := s.Get(other, ""); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Put(other), s.Remove(other)) }()
	ask := func() error {
		if !s.Exists(other) {
			return errors.New("the layer is gone")
		}
		return getPut(s, other)
	}
	alone, err := askDuring(ask, func() error { time.Sleep(time.Second); return nil })
	if err != nil {
		return err
	}
	b.record(figAlone, median(alone))
	for _, d := range disturbances {
		if s.name == overlay && d.figure == figStallGrow { // it can't
			continue
		}
		if err := b.disturb(ctx, s, image, d, ask, median(alone)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) disturb(ctx context.Context, s *subject, image string, d disturbance, ask func() error, own float64) error {
	calls, left, err := d.prepare(b, s, image)
	if err != nil {
		return err
	}
	settle(ctx)
	asked, err := askDuring(ask, func() error { return callFor(calls, 5*time.Second) })
	if err != nil {
		return err
	}
	b.record(d.figure, max(quantile(asked, 0.99)-own, 0))
	return removeAll(s, left)
}

// callFor makes the calls one after the other while there is time.
func callFor(calls []func() error, limit time.Duration) error {
	for end := time.Now().Add(limit); len(calls) > 0 && time.Now().Before(end); calls = calls[1:] {
		if err := calls[0](); err != nil {
			return err
		}
	}
	return nil
}

// askDuring returns the time of each ask while work is under way.
func askDuring(ask, work func() error) (asked []float64, err error) {
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		t, err := timed(ask)
		asked = append(asked, t)
		select {
		case worked := <-ended:
			return asked, errors.Join(err, worked)
		case <-tick.C:
			if err != nil {
				return asked, errors.Join(err, <-ended)
			}
		}
	}
}

// creations names the layers that will be there.
func (b *bench) creations(s *subject, image string, opts *graphdriver.CreateOpts) (calls []func() error, left []string, err error) {
	for range 2 * b.scale.Layers {
		id := s.newID()
		left = append(left, id)
		calls = append(calls, func() error { return s.CreateReadWrite(id, image, opts) })
	}
	return calls, left, nil
}

func diffs(b *bench, s *subject, image string) (calls []func() error, left []string, err error) {
	change := func(dir string) error { return changeFiles(dir, 10, b.scale.Tree) }
	left, err = b.prepared(s, image, change)
	for _, id := range left {
		calls = append(calls, func() error { return readDiff(s, id, image) })
	}
	return calls, left, err
}

func removals(b *bench, s *subject, image string) (calls []func() error, left []string, err error) {
	left, err = b.prepared(s, image, writeSome)
	for _, id := range left {
		calls = append(calls, func() error { return s.Remove(id) })
	}
	return calls, left, err
}

// prepared makes layers and changes each.
func (b *bench) prepared(s *subject, image string, change func(dir string) error) (ids []string, err error) {
	for range 2 * b.scale.Layers {
		id, err := s.child(image)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		if err := s.within(id, change); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
