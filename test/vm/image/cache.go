package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Image is a bootable image on disk. Its files are never written to.
type Image struct {
	Distro Distro
	Dir    string
}

// Kernel is the path of the kernel.
func (i Image) Kernel() string { return filepath.Join(i.Dir, "vmlinuz") }

// Initrd is the path of the initramfs.
func (i Image) Initrd() string { return filepath.Join(i.Dir, "initrd.gz") }

// Disk is the path of the root filesystem's raw image.
func (i Image) Disk() string { return filepath.Join(i.Dir, "root.img") }

// Cache is a folder of images.
type Cache struct {
	Dir string
	Log io.Writer // where progress goes, a line at a time
}

// Get returns d's image, building it first when the cache lacks it. Processes
// that ask for the same image at once build it once.
func (c Cache) Get(ctx context.Context, d Distro) (Image, error) {
	img := Image{Distro: d, Dir: filepath.Join(c.Dir, d.key())}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return Image{}, err
	}
	unlock, err := c.lock(d)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if _, err := os.Stat(img.Dir); err == nil {
		return img, nil
	}
	tmp, err := os.MkdirTemp(c.Dir, "building-"+d.Name+"-")
	if err != nil {
		return Image{}, err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // gone already when all went well
	start := time.Now()
	fmt.Fprintf(c.Log, "building the %s image (%s), two to three minutes\n", d.Name, d.About)
	if err := c.build(ctx, d, tmp); err != nil {
		return Image{}, fmt.Errorf("build the %s image: %w", d.Name, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil { // only building needs root
		return Image{}, err
	}
	if err := os.Rename(tmp, img.Dir); err != nil {
		return Image{}, err
	}
	c.removeOthers(img)
	fmt.Fprintf(c.Log, "built the %s image in %.0f s\n", d.Name, time.Since(start).Seconds())
	return img, nil
}

// lock waits until no other process builds d's image.
func (c Cache) lock(d Distro) (unlock func(), err error) {
	path := filepath.Join(c.Dir, d.Name+".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		fmt.Fprintf(c.Log, "another process builds the %s image; waiting for it\n", d.Name)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// removeOthers deletes the images that other inputs of the same release led to.
// A machine that runs on one keeps its files open and is not disturbed.
func (c Cache) removeOthers(keep Image) {
	old, _ := filepath.Glob(filepath.Join(c.Dir, keep.Distro.Name+"-*")) // the pattern is well formed
	for _, dir := range old {
		if dir != keep.Dir {
			_ = os.RemoveAll(dir) // what stays behind costs space only
		}
	}
}

// Remove deletes d's image, if there is one.
func (c Cache) Remove(d Distro) error {
	return os.RemoveAll(filepath.Join(c.Dir, d.key()))
}
