package main

import (
	"context"
	"errors"
	"time"

	"github.com/docker/docker/daemon/graphdriver"
)

// disturbance is work on layers while somebody asks about another one.
type disturbance struct {
	done string
	// prepare makes what calls need, and returns them with the layers to remove.
	prepare func(b *bench, s *subject, image string) (calls []func() error, left []string, err error)
	// goesOn: the work is not over with the calls.
	goesOn bool
}

var disturbances = []disturbance{
	{done: "created", prepare: func(b *bench, s *subject, image string) ([]func() error, []string, error) {
		return b.creations(s, image, nil)
	}},
	{done: grown, prepare: func(b *bench, s *subject, image string) ([]func() error, []string, error) {
		return b.creations(s, image, &graphdriver.CreateOpts{StorageOpt: map[string]string{"size": "12G"}})
	}},
	{done: "compared", prepare: diffs},
	{done: "removed", prepare: removals, goesOn: true},
}

// asked is a mounted layer that nobody else works on.
type asked struct {
	of    *subject
	layer string
	floor bool    // of a daemon that has nothing else to do
	alone float64 // the slowest hundredth while nothing else is done
}

// stalls asks about a mounted layer, every few milliseconds, first alone and
// then while others are made, grown, compared and removed. What is recorded is how
// much longer the slowest hundredth takes than alone. Another dmthind, which is idle, is
// asked the same in between: its calls wait for nothing but the machine.
func stalls(ctx context.Context, b *bench, s *subject) (err error) {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	all := []*asked{{of: s}}
	if s.idle != nil {
		if err := s.idle.open(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.idle.close(context.WithoutCancel(ctx))) }()
		all = append(all, &asked{of: s.idle, floor: true})
	}
	for _, a := range all {
		if err := a.mount(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.of.Put(a.layer), a.of.Remove(a.layer)) }()
	}
	settle(ctx)
	times, err := askDuring(asks(all), func() error { time.Sleep(stallTime); return nil })
	if err != nil {
		return err
	}
	b.record(figAlone, median(times[0]))
	for i, a := range all {
		a.alone = quantile(times[i], 0.99)
	}
	for _, d := range disturbances {
		if s.name == overlay && d.done == grown { // it can't
			continue
		}
		if err := b.disturb(ctx, s, image, d, all); err != nil {
			return err
		}
	}
	return nil
}

// stallTime bounds how long a kind of work goes on.
const stallTime = 5 * time.Second

func (b *bench) disturb(ctx context.Context, s *subject, image string, d disturbance, all []*asked) error {
	calls, left, err := d.prepare(b, s, image)
	if err != nil {
		return err
	}
	settle(ctx)
	times, err := askDuring(asks(all), func() error {
		end := time.Now().Add(stallTime)
		err := callUntil(calls, end)
		if d.goesOn {
			time.Sleep(time.Until(end))
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, a := range all {
		figure := stallPrefix + d.done
		if a.floor {
			figure = floorStallPrefix + d.done
		}
		b.record(figure, positive(quantile(times[i], 0.99)-a.alone))
	}
	return removeAll(s, left)
}

func (a *asked) mount() (err error) {
	if a.layer, err = a.of.child(""); err != nil {
		return err
	}
	_, err = a.of.Get(a.layer, "")
	return err
}

func (a *asked) ask() error {
	if !a.of.Exists(a.layer) {
		return errors.New("the layer is gone")
	}
	return getPut(a.of, a.layer)
}

func asks(all []*asked) (calls []func() error) {
	for _, a := range all {
		calls = append(calls, a.ask)
	}
	return calls
}

// callUntil makes the calls one after the other while there is time.
func callUntil(calls []func() error, end time.Time) error {
	for ; len(calls) > 0 && time.Now().Before(end); calls = calls[1:] {
		if err := calls[0](); err != nil {
			return err
		}
	}
	return nil
}

// askDuring returns how long each took to answer, each time, while work is under way.
func askDuring(asks []func() error, work func() error) (times [][]float64, err error) {
	times = make([][]float64, len(asks))
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		for i, ask := range asks {
			t, askErr := timed(ask)
			times[i] = append(times[i], t)
			err = errors.Join(err, askErr)
		}
		select {
		case worked := <-ended:
			return times, errors.Join(err, worked)
		case <-tick.C:
			if err != nil {
				return times, errors.Join(err, <-ended)
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
