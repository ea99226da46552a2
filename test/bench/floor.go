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

// floor calls measure with a pool of its own, of the built-in driver's shape, but
// without a second cache below it, which each flush would write back.
// What is measured there is what the kernel takes when nobody waits for udev or
// talks over a socket, and a layer's name is all that is written down: no driver
// of thin devices can be faster.
func floor(measure func(context.Context, *bench, *floorPool) error) func(context.Context, *bench, *subject) error {
	return func(ctx context.Context, b *bench, _ *subject) error {
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
		p := &floorPool{control: c, dir: dir}
		err = errors.Join(p.make(ctx), ctx.Err())
		if err == nil {
			err = measure(ctx, b, p)
		}
		return errors.Join(err, p.remove(ctx))
	}
}

const (
	floorName    = "dmthin-bench-floor"
	floorSectors = 2 << 30 >> 9 // of a thin device
)

type floorPool struct {
	control
	dir     string
	files   []string // metadata, data
	node    string   // of the pool; its name is no link without udev
	loops   []string
	devices int // thin ones made so far; the next one's ID
	taken   int // snapshots; the pool's transaction ID
}

func (p *floorPool) make(ctx context.Context) error {
	for _, size := range []int64{64 << 20, 4 << 30} { // metadata, data
		path := filepath.Join(p.dir, fmt.Sprint(len(p.files)))
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			return err
		}
		p.files = append(p.files, path)
	}
	return p.start(ctx)
}

func (p *floorPool) start(ctx context.Context) error {
	for _, path := range p.files {
		out, err := output(ctx, "losetup", "--find", "--show", "--direct-io=on", path)
		if err != nil {
			return err
		}
		p.loops = append(p.loops, out)
	}
	table := fmt.Sprintf("%s %s 128 0 1 skip_block_zeroing", p.loops[0], p.loops[1])
	var err error
	p.node, err = p.activate(floorName, "thin-pool", table, 4<<30>>9)
	return err
}

func (p *floorPool) remove(ctx context.Context) error {
	err := p.control.remove(floorName)
	for _, loop := range p.loops {
		_, detached := output(ctx, "losetup", "--detach", loop)
		err = errors.Join(err, detached)
	}
	p.loops = nil
	return err
}

// thin is a device of the pool.
type thin struct {
	pool *floorPool
	id   int
	fs   string
}

// As dmthin makes its base. The kernel reads a file of orphans whole at each
// mount, and needs none; a journal that mkfs leaves unwritten would spare the
// first write to a snapshot some copies, but may replay what another left there.
var mkfs = map[string][]string{
	"ext4": {"mkfs.ext4", "-q", "-O", "^orphan_file", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=0"},
	"xfs":  {"mkfs.xfs", "-q", "-K"},
}

var mountData = map[string]string{"ext4": "noinit_itable", "xfs": "nouuid"}

// origin makes a thin device with a filesystem, and has fill put files there.
func (p *floorPool) origin(ctx context.Context, fs string, fill func(dir string) error) (thin, error) {
	t := thin{p, p.devices, fs}
	p.devices++
	if err := p.message(floorName, fmt.Sprintf("create_thin %d", t.id)); err != nil {
		return t, err
	}
	node, err := t.activate()
	if err != nil {
		return t, err
	}
	_, err = output(ctx, mkfs[fs][0], append(mkfs[fs][1:], node)...)
	if err = errors.Join(err, p.control.remove(t.name())); err != nil {
		return t, err
	}
	return t, t.within(fill)
}

// snapshot makes a thin device as a driver must that is to know it after a power cut.
func (t thin) snapshot() (thin, error) {
	p := t.pool
	child := thin{p, p.devices, t.fs}
	p.devices++
	if err := p.message(floorName, fmt.Sprintf("create_snap %d %d", child.id, t.id)); err != nil {
		return child, err
	}
	if err := p.record(child.name()); err != nil {
		return child, err
	}
	p.taken++
	return child, p.message(floorName, fmt.Sprintf("set_transaction_id %d %d", p.taken-1, p.taken))
}

// pair makes an origin and a snapshot of it.
func (p *floorPool) pair(ctx context.Context, fs string, fill func(dir string) error) (origin, child thin, err error) {
	origin, err = p.origin(ctx, fs, fill)
	if err == nil {
		child, err = origin.snapshot()
	}
	return origin, child, err
}

// record has a small file on disk.
func (p *floorPool) record(name string) error {
	f, err := os.Create(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	_, err = f.WriteString(name)
	return errors.Join(err, f.Sync(), f.Close(), syncFolder(p.dir))
}

func (t thin) delete() error { return t.pool.message(floorName, fmt.Sprintf("delete %d", t.id)) }

func (t thin) name() string { return fmt.Sprintf("dmthin-bench-thin-%d", t.id) }

func (t thin) dir() string { return filepath.Join(t.pool.dir, fmt.Sprint("mnt-", t.id)) }

func (t thin) activate() (node string, err error) {
	return t.pool.activate(t.name(), "thin", fmt.Sprintf("%s %d", t.pool.node, t.id), floorSectors)
}

func (t thin) mount(flags uintptr) error {
	node, err := t.activate()
	if err == nil {
		err = os.MkdirAll(t.dir(), 0o700)
	}
	if err == nil {
		err = unix.Mount(node, t.dir(), t.fs, flags, mountData[t.fs])
	}
	return err
}

func (t thin) unmount() error {
	return errors.Join(unix.Unmount(t.dir(), 0), t.pool.control.remove(t.name()))
}

// within runs f in the mounted filesystem.
func (t thin) within(f func(dir string) error) error {
	if err := t.mount(0); err != nil {
		return err
	}
	return errors.Join(f(t.dir()), t.unmount())
}

// output is what a program says, without the line's end.
func output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
