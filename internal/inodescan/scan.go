package inodescan

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Why a scan may give no answer, besides I/O errors.
var (
	// ErrUnclean: the filesystem holds changes in its journal only, or was
	// marked as damaged by the kernel.
	ErrUnclean = errors.New("the filesystem is not clean")
	// ErrUnsupported: the filesystem is of another type, or uses a feature that
	// this package doesn't know.
	ErrUnsupported = errors.New("the filesystem can't be scanned")
	// ErrUnrelated: the two filesystems are not copies of one, or don't keep
	// their inodes in the same places.
	ErrUnrelated = errors.New("the filesystems don't have their inodes in the same places")
	// ErrDamaged: what was read makes no sense.
	ErrDamaged = errors.New("the filesystem looks damaged")
)

// Extent is a part of a device, in bytes.
type Extent struct{ Offset, Length int64 }

func (e Extent) end() int64 { return e.Offset + e.Length }

// Inode is one that differs and is in use in the newer filesystem.
type Inode struct {
	Number uint64
	Links  uint32 // names it has
	Dir    bool
}

// Result is what a scan found.
type Result struct {
	Inodes []Inode // by ascending number
	Used   uint64  // inodes in use in the newer filesystem, about
}

// Scan compares the filesystem on the device after with that on before, which
// can't be written to meanwhile. changed lists where the devices may differ, in
// ascending order and without overlaps, in whole multiples of 4096 bytes; parts
// not listed are not read, as far as inodes are concerned.
func Scan(ctx context.Context, before, after io.ReaderAt, changed []Extent) (Result, error) {
	head, err := readPart(after, 0, superblockEnd)
	if err != nil {
		return Result{}, fmt.Errorf("read superblock: %w", err)
	}
	if isExt4(head) {
		return scanExt4(ctx, before, after, changed)
	}
	if isXFS(head) {
		return scanXFS(ctx, before, after, changed)
	}
	return Result{}, fmt.Errorf("%w: it is neither ext4 nor xfs", ErrUnsupported)
}

// superblockEnd is where the last of the superblocks known here ends.
const superblockEnd = 2048

func readPart(r io.ReaderAt, offset int64, length int) ([]byte, error) {
	b := make([]byte, length)
	return b, readFull(r, b, offset)
}

// readFull reads exactly b. A device that is shorter is not what its
// superblock says.
func readFull(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return fmt.Errorf("%w: it ends before byte %d", ErrDamaged, offset+int64(len(b)))
	}
	return err
}

// intersect calls use for each part of changed that lies in e, in pieces of at
// most limit bytes, counted from the start of the changed part.
func intersect(changed []Extent, e Extent, limit int64, use func(Extent) error) error {
	for _, c := range from(changed, e.Offset) {
		if c.Offset >= e.end() {
			break
		}
		at, end := max(c.Offset, e.Offset), min(c.end(), e.end())
		for ; at < end; at += limit {
			if err := use(Extent{at, min(limit, end-at)}); err != nil {
				return err
			}
		}
	}
	return nil
}
