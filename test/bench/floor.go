package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// floor is what the kernel takes for a layer's life when nobody keeps records,
// waits for udev or talks over a socket: no driver of thin devices can be faster.
// The pool is one of its own, of the built-in driver's shape.
func floor(ctx context.Context, b *bench, _ *subject) error {
	dir, err := os.MkdirTemp(b.dir, "floor-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c, err := openControl()
	if err != nil {
		return err
	}
	defer func() { _ = c.file.Close() }() // only ioctls went through
	p := floorPool{control: c, dir: dir}
	err = errors.Join(p.make(ctx), ctx.Err())
	if err == nil {
		err = p.measure(b)
	}
	return errors.Join(err, p.remove(ctx))
}

const (
	floorName    = "dmthin-bench-floor"
	floorThin    = "dmthin-bench-thin"
	floorSectors = 1 << 30 >> 9
)

type floorPool struct {
	control
	dir   string
	node  string // of the pool; its name is no link without udev
	loops []string
}

// make ends with thin device 0, formatted.
func (p *floorPool) make(ctx context.Context) error {
	for _, size := range []int64{64 << 20, 4 << 30} { // metadata, data
		path := filepath.Join(p.dir, fmt.Sprint(len(p.loops)))
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			return err
		}
		out, err := output(ctx, "losetup", "--find", "--show", path)
		if err != nil {
			return err
		}
		p.loops = append(p.loops, out)
	}
	table := fmt.Sprintf("%s %s 128 0 1 skip_block_zeroing", p.loops[0], p.loops[1])
	var err error
	if p.node, err = p.activate(floorName, "thin-pool", table, 4<<30>>9); err != nil {
		return err
	}
	if err := p.message(floorName, "create_thin 0"); err != nil {
		return err
	}
	node, err := p.thin(0)
	if err != nil {
		return err
	}
	_, err = output(ctx, "mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", node)
	return errors.Join(err, p.control.remove(floorThin))
}

func (p *floorPool) thin(id int) (node string, err error) {
	return p.activate(floorThin, "thin", fmt.Sprintf("%s %d", p.node, id), floorSectors)
}

// measure records a sample each: the median of some layers' lives.
func (p *floorPool) measure(b *bench) error {
	var create, mount, unmount, remove []float64
	for id := 1; id <= b.scale.Layers; id++ {
		for _, step := range []struct {
			times *[]float64
			run   func() error
		}{
			{&create, func() error { return p.snapshot(id) }},
			{&mount, func() error { return p.mount(id) }},
			{&unmount, p.unmount},
			{&remove, func() error { return p.message(floorName, fmt.Sprintf("delete %d", id)) }},
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
	return nil
}

func (p *floorPool) snapshot(id int) error {
	if err := p.message(floorName, fmt.Sprintf("create_snap %d 0", id)); err != nil {
		return err
	}
	return p.message(floorName, fmt.Sprintf("set_transaction_id %d %d", id-1, id))
}

func (p *floorPool) mountPoint() string { return filepath.Join(p.dir, "mnt") }

func (p *floorPool) mount(id int) error {
	node, err := p.thin(id)
	if err == nil {
		err = os.MkdirAll(p.mountPoint(), 0o700)
	}
	if err == nil {
		err = unix.Mount(node, p.mountPoint(), "ext4", 0, "noinit_itable")
	}
	return err
}

func (p *floorPool) unmount() error {
	return errors.Join(unix.Unmount(p.mountPoint(), 0), p.control.remove(floorThin))
}

func (p *floorPool) remove(ctx context.Context) error {
	err := p.control.remove(floorName)
	for _, loop := range p.loops {
		_, detached := output(ctx, "losetup", "--detach", loop)
		err = errors.Join(err, detached)
	}
	return err
}

// output is what a program says, without the line's end.
func output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
