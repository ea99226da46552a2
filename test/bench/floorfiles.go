package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// floorRead is what it takes to have a whole layer in memory that was not mounted.
func floorRead(ctx context.Context, b *bench, p *floorPool) error {
	layer, err := p.origin(ctx, "ext4", b.unpackTree(ctx))
	if err != nil {
		return err
	}
	t, err := timed(func() error { return errors.Join(layer.mount(unix.MS_RDONLY), readTree(layer.dir())) })
	b.record(figFloorRead, t)
	return errors.Join(err, layer.unmount())
}

func (b *bench) unpackTree(ctx context.Context) func(dir string) error {
	return func(dir string) error {
		unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
		unpack.Stdin = tree(b.scale.Tree)()
		return unpack.Run()
	}
}

// floorDiff is what it takes to know for sure what a thousand changed files hold:
// what floorCompare says, and to read them. The layer's own are in memory, but
// nothing of the change is on disk yet.
func floorDiff(ctx context.Context, b *bench, p *floorPool) error {
	parent, child, err := p.pair(ctx, "ext4", b.unpackTree(ctx))
	if err != nil {
		return err
	}
	return child.within(func(dir string) error {
		if err := changeFiles(dir, thousand, b.scale.Tree); err != nil {
			return err
		}
		t, err := timed(func() error {
			return errors.Join(child.compare(parent), readAll(changedFiles(dir, thousand, b.scale.Tree)))
		})
		b.record(figFloorDiff, t)
		return errors.Join(err, parent.unmount())
	})
}

func readTree(dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	return errors.Join(err, readAll(files))
}

// readAll reads files with a thread for each CPU, and many on their way from the
// disk at once.
func readAll(files []string) error {
	const atOnce = 64
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for some := range slices.Chunk(files, atOnce) {
		group.Go(func() error { return readFiles(some) })
	}
	return group.Wait()
}

func readFiles(paths []string) error {
	var files []*os.File
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read from
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_WILLNEED)
		files = append(files, f)
	}
	for _, f := range files {
		if _, err := io.Copy(io.Discard, f); err != nil {
			return err
		}
	}
	return nil
}

// floorWrite is the first write to a snapshot, on either filesystem: dmthin's own
// and that of Docker's driver.
func floorWrite(ctx context.Context, b *bench, p *floorPool) error {
	for fs, figure := range map[string]string{"ext4": figFloorWriteExt4, "xfs": figFloorWriteXFS} {
		_, child, err := p.pair(ctx, fs, func(dir string) error { return makeBig(filepath.Join(dir, "big"), b.scale.Big) })
		if err != nil {
			return err
		}
		err = child.within(func(dir string) error {
			t, err := timed(func() error { return writeInto(filepath.Join(dir, "big"), b.scale.Big/2) })
			b.record(figure, t)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func makeBig(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for at := int64(0); at < size && err == nil; at += int64(len(block)) {
		_, err = f.WriteAt(block, at)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
