package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// floorRead is what it takes to have a whole layer in memory that was not mounted.
func floorRead(ctx context.Context, b *bench, p *floorPool) error {
	layer, err := p.origin(ctx, "ext4", func(dir string) error {
		unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
		unpack.Stdin = tree(b.scale.Tree)()
		return unpack.Run()
	})
	if err != nil {
		return err
	}
	t, err := timed(func() error { return errors.Join(layer.mount(unix.MS_RDONLY), readTree(layer.dir())) })
	b.record(figFloorRead, t)
	return errors.Join(err, layer.unmount())
}

func readTree(dir string) error {
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		group.Go(func() error {
			_, err := os.ReadFile(path)
			return err
		})
		return nil
	})
	return errors.Join(err, group.Wait())
}

// floorWrite is the first write to a snapshot, on either filesystem: dmthin's own
// and that of Docker's driver.
func floorWrite(ctx context.Context, b *bench, p *floorPool) error {
	for fs, figure := range map[string]string{"ext4": figFloorWriteExt4, "xfs": figFloorWriteXFS} {
		origin, err := p.origin(ctx, fs, func(dir string) error { return makeBig(filepath.Join(dir, "big"), b.scale.Big) })
		if err != nil {
			return err
		}
		child, err := origin.snapshot()
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
