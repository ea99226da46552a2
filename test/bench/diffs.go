package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// diffFew changes 10 files in a new layer, and asks what changed: as docker
// commit does, and every build step. Then again with nothing in memory.
func diffFew(ctx context.Context, b *bench, s *subject) error {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	if err := b.diffOf(s, image, b.scale.Tree, 10, false, figChanges, figDiff); err != nil || b.scale.Quick {
		return err
	}
	return b.diffOf(s, image, b.scale.Tree, 10, true, figChangesCold, figDiffCold)
}

const thousand = 1000

func diffThousand(ctx context.Context, b *bench, s *subject) error {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	return b.diffOf(s, image, b.scale.Tree, thousand, false, "", figDiff1000)
}

func diffHuge(ctx context.Context, b *bench, s *subject) error {
	image, err := s.image(ctx, "huge", tree(b.scale.Huge))
	if err != nil {
		return err
	}
	return b.diffOf(s, image, b.scale.Huge, 10, false, figHugeChanges, figHugeDiff)
}

// diffOf records Changes, where its figure is named, and Diff, each of a layer
// of its own, so that neither answers from what the other found.
func (b *bench) diffOf(s *subject, image string, files, changed int, cold bool, changes, diff string) error {
	for _, figure := range []string{changes, diff} {
		if figure == "" {
			continue
		}
		id, err := s.child(image)
		if err != nil {
			return err
		}
		if err := s.within(id, func(dir string) error { return changeFiles(dir, changed, files) }); err != nil {
			return err
		}
		if cold {
			if err := dropCaches(); err != nil {
				return err
			}
		}
		ask := func() error { return readDiff(s, id, image) }
		if figure == changes {
			ask = func() error { return s.countChanges(id, image, changed) }
		}
		t, err := timed(ask)
		if err != nil {
			return err
		}
		b.record(figure, t)
		if err := s.Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// countChanges refuses to time a wrong answer. Directories count as well.
func (s *subject) countChanges(id, parent string, atLeast int) error {
	changes, err := s.Changes(id, parent)
	if err == nil && len(changes) < atLeast {
		err = fmt.Errorf("%d changes found, %d made", len(changes), atLeast)
	}
	return err
}

// readDiff ends when the tar is closed, which is what dockerd waits for.
func readDiff(s *subject, id, parent string) error {
	stream, err := s.Diff(id, parent)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, stream)
	if closed := stream.Close(); err == nil {
		err = closed
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("the diff of %s is empty", id)
	}
	return err
}

func dropCaches() error { return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) }

// diffWhole is the tar of all of a layer, as for docker save.
func diffWhole(ctx context.Context, b *bench, s *subject) error {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	t, err := timed(func() error { return readDiff(s, image, "") })
	if err == nil {
		b.record(figDiffAll, t)
	}
	return err
}

// applyLayer unpacks a layer, as for docker pull.
func applyLayer(_ context.Context, b *bench, s *subject) error {
	id := s.newID()
	if err := s.Create(id, "", nil); err != nil {
		return err
	}
	t, err := timed(func() error {
		_, err := s.ApplyDiff(id, "", tree(b.scale.Apply)())
		return err
	})
	if err != nil {
		return err
	}
	b.record(figApply, t)
	return s.Remove(id)
}
