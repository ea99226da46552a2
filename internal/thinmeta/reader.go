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

	buffer []byte // of the last read
	reads  int
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
		block, err := r.read(context.Background(), 0)
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
	flags := os.O_RDONLY
	switch info.Mode().Type() {
	case 0: // a regular file
	case os.ModeDevice:
		flags |= unix.O_DIRECT
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
	return &Reader{file: file, blocks: uint64(size) / blockSize, buffer: alignedBlock()}, nil
}

// alignedBlock returns a buffer that suits direct I/O on any block device.
func alignedBlock() []byte {
	buffer := make([]byte, 2*blockSize)
	skip := -uintptr(unsafe.Pointer(&buffer[0])) % blockSize
	return buffer[skip:][:blockSize:blockSize]
}

func (r *Reader) readSuperblock() error {
	block, err := r.read(context.Background(), r.at)
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

// read returns block number at, valid until the next read.
func (r *Reader) read(ctx context.Context, at uint64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if at >= r.blocks {
		return nil, fmt.Errorf("%w: block %d of a device of %d blocks", ErrCorrupt, at, r.blocks)
	}
	r.reads++
	if _, err := r.file.ReadAt(r.buffer, int64(at)*blockSize); err != nil {
		return nil, fmt.Errorf("read block %d: %w", at, err)
	}
	return r.buffer, nil
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
	block, err := r.read(ctx, r.at)
	if err != nil {
		return err
	}
	if !bytes.Equal(block, r.raw) {
		return ErrChanged
	}
	if r.at == 0 {
		return nil
	}
	if block, err = r.read(ctx, 0); err != nil {
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
