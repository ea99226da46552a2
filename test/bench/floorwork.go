package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// floorStart is what a pool takes to be there again.
func floorStart(ctx context.Context, b *bench, p *floorPool) error {
	if err := p.remove(ctx); err != nil {
		return err
	}
	t, err := timed(func() error { return p.start(ctx) })
	if err == nil {
		b.record(figFloorStart, t)
	}
	return err
}

// floorLives is what a layer's life takes, one by one and at once.
func floorLives(ctx context.Context, b *bench, p *floorPool) error {
	origin, err := p.origin(ctx, "ext4", func(string) error { return nil })
	if err != nil {
		return err
	}
	var create, mount, unmount, remove []float64
	for range b.scale.Layers {
		var child thin
		for _, step := range []struct {
			times *[]float64
			run   func() error
		}{
			{&create, func() (err error) { child, err = origin.snapshot(); return err }},
			{&mount, func() error { return child.mount(0) }},
			{&unmount, func() error { return child.unmount() }},
			{&remove, func() error { return child.delete() }},
		} {
			t, err := timed(step.run)
			if err != nil {
				return err
			}
			*step.times = append(*step.times, t)
		}
	}
	b.record(figFloorCreate, median(create))
	b.record(figFloorMount, median(mount))
	b.record(figFloorUnmount, median(unmount))
	b.record(figFloorDelete, median(remove))
	return errors.Join(floorAtOnce(b, origin), floorCompare(ctx, b, p))
}

func floorAtOnce(b *bench, origin thin) error {
	mounts := make([]func() error, b.scale.AtOnce)
	unmounts := make([]func() error, b.scale.AtOnce)
	for i := range mounts {
		child, err := origin.snapshot()
		if err != nil {
			return err
		}
		mounts[i] = func() error { return child.mount(0) }
		unmounts[i] = child.unmount
	}
	t, err := timed(func() error { return atOnce(mounts) })
	b.record(figFloorMount16, t/float64(len(mounts)))
	return errors.Join(err, atOnce(unmounts))
}

// floorCompare is what has to happen before anybody can tell, from below or from
// above, what changed in a layer that was just written to: its filesystem is
// still, the pool's metadata are on disk, and its parent is mounted.
func floorCompare(ctx context.Context, b *bench, p *floorPool) error {
	const files = 10
	write := func(dir string) error {
		for i := range files {
			f := filepath.Join(dir, fmt.Sprint(i), "file")
			if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o700), os.WriteFile(f, []byte(dir), 0o600)); err != nil {
				return err
			}
		}
		return syncAll(dir)
	}
	parent, child, err := p.pair(ctx, "ext4", write)
	if err != nil {
		return err
	}
	return child.within(func(dir string) error {
		if err := write(dir); err != nil {
			return err
		}
		t, err := timed(func() error { return child.compare(parent) })
		b.record(figFloorCompare, t)
		return errors.Join(err, parent.unmount())
	})
}

// compare leaves the parent mounted.
func (t thin) compare(parent thin) error {
	err := t.pool.suspend(t.name())
	if err == nil {
		err = t.pool.commit(floorName)
	}
	return errors.Join(err, t.pool.resume(t.name()), parent.mount(unix.MS_RDONLY))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
