package main

import (
	"context"
	"os"
	"path/filepath"
)

// firstWrite changes 4 KiB in the middle of a big file of the image, durably.
func firstWrite(ctx context.Context, b *bench, s *subject) error {
	image, err := s.image(ctx, "big", bigFile(b.scale.Big))
	if err != nil {
		return err
	}
	id, err := s.child(image)
	if err != nil {
		return err
	}
	err = s.within(id, func(dir string) error {
		t, err := timed(func() error { return writeInto(filepath.Join(dir, bigName), b.scale.Big/2) })
		b.record(figFirstWrite, t)
		return err
	})
	if err != nil {
		return err
	}
	return s.Remove(id)
}

func writeInto(path string, offset int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, 4096), offset)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
