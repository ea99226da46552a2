package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// baseImage is the image that short-lived layers are children of.
func (b *bench) baseImage(ctx context.Context, s *subject) (string, error) {
	return s.image(ctx, "tree", tree(b.scale.Tree))
}

// emptyCalls is the round trip: no work behind it.
func emptyCalls(ctx context.Context, b *bench, s *subject) error {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	call := func() error {
		if !s.Exists(image) {
			return errors.New("the image is gone")
		}
		return nil
	}
	var each []float64
	for range b.scale.Calls {
		t, err := timed(call)
		if err != nil {
			return err
		}
		each = append(each, t)
	}
	b.record(figRoundTrip, median(each))
	calls := make([]func() error, b.scale.AtOnce)
	for i := range calls {
		calls[i] = func() error {
			for range b.scale.Calls / b.scale.AtOnce {
				if err := call(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	t, err := timed(func() error { return atOnce(calls) })
	b.record(figRoundTrip16, t/float64(b.scale.AtOnce)/float64(b.scale.Calls/b.scale.AtOnce))
	return err
}

func atOnce(calls []func() error) error {
	var group errgroup.Group
	for _, call := range calls {
		group.Go(call)
	}
	return group.Wait()
}

// shortLives is what containers do: made from an image, mounted, removed.
// Layers are new each time, since a container's first mount is what is waited for.
func shortLives(ctx context.Context, b *bench, s *subject) error {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	if err := b.removeWritten(ctx, s, image); err != nil { // first: it waits for the pool to be as before
		return err
	}
	serial, err := b.createMany(s, image, b.scale.Layers)
	if err != nil {
		return err
	}
	for _, figure := range []string{figGetPut, figGetPutAgain} {
		if err := b.getPutMany(s, figure, serial); err != nil {
			return err
		}
	}
	together, err := b.createMany(s, image, b.scale.AtOnce)
	if err != nil {
		return err
	}
	calls := make([]func() error, len(together))
	for i, id := range together {
		calls[i] = func() error { return getPut(s, id) }
	}
	t, err := timed(func() error { return atOnce(calls) })
	if err != nil {
		return err
	}
	b.record(figGetPut16, t/float64(len(together)))
	return removeAll(s, append(serial, together...))
}

func (b *bench) createMany(s *subject, parent string, n int) ([]string, error) {
	var ids []string
	var each []float64
	for range n {
		t, err := timed(func() error {
			id, err := s.child(parent)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return nil, err
		}
		each = append(each, t)
	}
	b.record(figCreate, median(each))
	return ids, nil
}

func getPut(s *subject, id string) error {
	return s.within(id, func(string) error { return nil })
}

func (b *bench) getPutMany(s *subject, figure string, ids []string) error {
	each, err := timeEach(ids, func(id string) error { return getPut(s, id) })
	if err == nil {
		b.record(figure, median(each))
	}
	return err
}

func timeEach(ids []string, f func(id string) error) ([]float64, error) {
	var each []float64
	for _, id := range ids {
		t, err := timed(func() error { return f(id) })
		if err != nil {
			return nil, err
		}
		each = append(each, t)
	}
	return each, nil
}

func removeAll(s *subject, ids []string) error {
	for _, id := range ids {
		if err := s.Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// removeWritten removes layers that hold 16 MiB each.
func (b *bench) removeWritten(ctx context.Context, s *subject, image string) error {
	before, pooled, err := s.usedBlocks(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, b.scale.Layers)
	for i := range ids {
		if ids[i], err = s.child(image); err != nil {
			return err
		}
		if err := s.within(ids[i], writeSome); err != nil {
			return err
		}
	}
	begin := time.Now()
	each, err := timeEach(ids, s.Remove)
	if err != nil {
		return err
	}
	b.record(figRemove, median(each))
	if !pooled {
		return nil
	}
	answered := time.Now()
	if err := s.awaitBlocks(ctx, before); err != nil {
		return fmt.Errorf("%w, %v after the first Remove", err, time.Since(begin))
	}
	b.record(figReclaim, time.Since(answered).Seconds())
	return nil
}

func writeSome(dir string) error {
	return os.WriteFile(filepath.Join(dir, "written"), bytes.Repeat([]byte("dmthin"), 16<<20/6), 0o600)
}

// awaitBlocks waits until the pool uses no more than that. What the file
// systems of other layers wrote meanwhile is allowed for.
func (s *subject) awaitBlocks(ctx context.Context, want int64) error {
	const patience, slack = 5 * time.Minute, 16
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		used, _, err := s.usedBlocks(ctx)
		if err != nil {
			return err
		}
		if used <= want+slack {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d blocks are used, %d were", used, want)
		}
	}
}
