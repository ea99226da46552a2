package thinmeta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reader reads one pool's metadata as of the commit, or the metadata snapshot,
// it was opened on. One goroutine at a time may use it.
type Reader struct {
	file   *os.File
	blocks uint64 // length of the device

	superblock Superblock
	at         uint64 // where the superblock is
	raw        []byte // as it was read first

	cache    cache
	unproven bool   // something was read since the superblock was last seen unchanged
	buffer   []byte // of the last superblock
	reads    int    // of blocks, cached or not
}

// Open reads the pool as it was last committed. path is a metadata device or a
// copy of one in a regular file. While the pool is active its blocks can be
// given away under the reader, which then fails with ErrChanged: that suits an
// idle pool. For a busy one use OpenHeld.
func Open(path string) (*Reader, error) {
	return open(path, func(*Reader) (uint64, error) { return 0, nil })
}

// OpenHeld reads the pool as it was when its metadata snapshot was
// reserved (message reserve_metadata_snap), and fails with ErrNotHeld when
// none is. The snapshot must stay reserved until Close.
func OpenHeld(path string) (*Reader, error) {
	return open(path, func(r *Reader) (uint64, error) {
		block, err := r.readNow(context.Background(), 0)
		if err != nil {
			return 0, err
		}
		current, err := parseSuperblock(block, 0)
		if err == nil && current.HeldRoot == 0 {
			err = ErrNotHeld
		}
		return current.HeldRoot, err
	})
}

func open(path string, locate func(*Reader) (uint64, error)) (*Reader, error) {
	r, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if r.at, err = locate(r); err == nil {
		err = r.readSuperblock()
	}
	if err != nil {
		return nil, errors.Join(r.fail(err), r.file.Close())
	}
	return r, nil
}

// openFile opens devices for direct I/O: the kernel writes metadata around the
// page cache of the device, so what is cached there may be old.
func openFile(path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open thin pool metadata: %w", err)
	}
	flags, stretch := os.O_RDONLY, uint64(1)
	switch info.Mode().Type() {
	case 0: // a regular file
	case os.ModeDevice:
		flags, stretch = flags|unix.O_DIRECT, deviceStretch
	default:
		return nil, fmt.Errorf("open thin pool metadata: %s is neither a block device nor a regular file", path)
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open thin pool metadata: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("size of thin pool metadata: %w", err), file.Close())
	}
	return &Reader{file: file, blocks: uint64(size) / blockSize, cache: cache{stretch: stretch}, buffer: aligned(blockSize)}, nil
}

// aligned returns a buffer that suits direct I/O on any block device.
func aligned(size int) []byte {
	buffer := make([]byte, size+blockSize)
	skip := -uintptr(unsafe.Pointer(&buffer[0])) % blockSize
	return buffer[skip:][:size:size]
}

func (r *Reader) readSuperblock() error {
	block, err := r.readNow(context.Background(), r.at)
	if err != nil {
		return err
	}
	r.raw = bytes.Clone(block)
	r.superblock, err = parseSuperblock(r.raw, r.at)
	return err
}

// Superblock returns what the reader was opened on.
func (r *Reader) Superblock() Superblock { return r.superblock }

// Close ends the use of the reader.
func (r *Reader) Close() error { return r.file.Close() }

// read returns block number at. The superblock was read before, so what the
// cache holds belongs to it as long as it is unchanged.
func (r *Reader) read(ctx context.Context, at uint64) ([]byte, error) {
	if err := r.may(ctx, at); err != nil {
		return nil, err
	}
	if block := r.cache.block(at); block != nil {
		return block, nil
	}
	r.unproven = true
	if block, err := r.cache.fill(r.file, at, r.blocks); err == nil {
		return block, nil
	}
	return r.readNow(ctx, at) // what can't be read may be a block beside it
}

// readNow returns block number at as it is on disk, valid until the next call.
func (r *Reader) readNow(ctx context.Context, at uint64) ([]byte, error) {
	if err := r.may(ctx, at); err != nil {
		return nil, err
	}
	if _, err := r.file.ReadAt(r.buffer, int64(at)*blockSize); err != nil {
		return nil, fmt.Errorf("read block %d: %w", at, err)
	}
	return r.buffer, nil
}

// may tells why a block can't be read.
func (r *Reader) may(ctx context.Context, at uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at >= r.blocks {
		return fmt.Errorf("%w: block %d of a device of %d blocks", ErrCorrupt, at, r.blocks)
	}
	r.reads++
	return nil
}

// finish ends a walk that came out with err. Within one transaction the kernel
// never writes over a block of the commit before, so as long as the
// superblock is the same everything read belongs to it; once it is not, what
// looks like damage may be a block in new use.
func (r *Reader) finish(ctx context.Context, err error) error {
	if err == nil || isDoubtful(err) {
		if changed := r.unchanged(ctx); changed != nil {
			err = changed
		}
	}
	return r.fail(err)
}

func (r *Reader) unchanged(ctx context.Context) error {
	block, err := r.readNow(ctx, r.at)
	if err != nil {
		return err
	}
	if !bytes.Equal(block, r.raw) {
		return ErrChanged
	}
	if r.at != 0 {
		if err := r.stillHeld(ctx); err != nil {
			return err
		}
	}
	r.unproven = false
	return nil
}

func (r *Reader) stillHeld(ctx context.Context) error {
	block, err := r.readNow(ctx, 0)
	if err != nil {
		return err
	}
	current, err := parseSuperblock(block, 0)
	if err == nil && current.HeldRoot != r.at {
		err = fmt.Errorf("%w: the metadata snapshot was released", ErrChanged)
	}
	return err
}

func (r *Reader) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("thin pool metadata on %s: %w", r.file.Name(), err)
}
