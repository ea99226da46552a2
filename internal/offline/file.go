package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const copyChunk = 1 << 20

func isDevice(path string) bool {
	info, err := os.Stat(path) //nolint:gosec // the operator names it
	return err == nil && info.Mode()&fs.ModeDevice != 0
}

// copySparse copies a device or file, and leaves holes where there are zeros if
// the target is new. It is on disk once this returns.
func copySparse(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	device := isDevice(to)
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if !device {
		if err := out.Truncate(size); err != nil {
			return err
		}
	}
	if err := copyChunks(ctx, in, out, size, !device); err != nil {
		return err
	}
	return out.Sync()
}

func copyChunks(ctx context.Context, in, out *os.File, size int64, sparse bool) error {
	chunk, zeros := make([]byte, copyChunk), make([]byte, copyChunk)
	for at := int64(0); at < size; at += copyChunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := chunk[:min(copyChunk, size-at)]
		if _, err := in.ReadAt(part, at); err != nil {
			return err
		}
		if sparse && bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		if _, err := out.WriteAt(part, at); err != nil {
			return err
		}
	}
	return nil
}

// makeLike makes an empty file of another's size and mode.
func makeLike(path, fresh string) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return fmt.Errorf("make a file for the repaired metadata: %w", err)
	}
	return errors.Join(f.Truncate(info.Size()), f.Close())
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
