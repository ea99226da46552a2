package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// A journal above this share of the filesystem is replaced by the one that
// mke2fs would give a filesystem of the new size.
const maxJournalShare = 16

// e2fsck exits with 1 when it repaired something.
const fsckRepaired = 1

// Shrink makes an unmounted ext4 filesystem at most size bytes long; a smaller
// one stays as it is. The device keeps its length. When the content does not
// fit the error is a *TooSmallError and the filesystem is whole, as large as
// before or somewhat smaller, maybe without its journal. xfs gives
// ErrCannotShrink.
func Shrink(ctx context.Context, device string, t Type, size int64) error {
	if t != Ext4 {
		return fmt.Errorf("shrink %s filesystem on %s to %d bytes: %w", t, device, size, ErrCannotShrink)
	}
	if err := checkUnused(device); err != nil {
		return err
	}
	s := shrinker{device: device, size: size}
	// Replays the journal; resize2fs insists on a filesystem checked just now.
	if err := s.check(ctx); err != nil {
		return err
	}
	g, err := readExtGeometry(device)
	if err != nil {
		return err
	}
	if size/g.blockSize >= g.blocks {
		return nil
	}
	s.geometry = g
	if size < g.blockSize || g.overhead > 0 && g.content() >= size {
		return s.tooSmall()
	}
	return s.shrink(ctx)
}

// checkUnused opens the device exclusively, which fails while it is mounted in
// any namespace.
func checkUnused(device string) error {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_EXCL, 0)
	if err != nil {
		return fmt.Errorf("shrink filesystem, which must not be mounted: %w", err)
	}
	return f.Close()
}

type shrinker struct {
	device   string
	size     int64
	geometry extGeometry // before
}

func (s shrinker) shrink(ctx context.Context) error {
	journal := s.geometry.journal
	replace := journal < 0 || journal > s.size/maxJournalShare
	if replace {
		if err := s.dropJournal(ctx); err != nil {
			return err
		}
	}
	if err := s.resize(ctx); err != nil {
		return err
	}
	if replace {
		if err := s.run(ctx, "tune2fs", "-j", s.device); err != nil {
			return s.noRoom(err)
		}
	}
	// e2fsck puts it back when it is missing. One that holds rescued files
	// stays: debugfs removes empty directories only.
	return s.run(ctx, "debugfs", "-w", "-R", "rmdir /lost+found", s.device)
}

// dropJournal also drops the orphan file, which is an error without a journal,
// and one that e2fsck takes two runs to repair.
func (s shrinker) dropJournal(ctx context.Context) error {
	features := "^has_journal"
	if s.geometry.orphan {
		features = "^orphan_file," + features
	}
	return s.run(ctx, "tune2fs", "-O", features, s.device)
}

// resize shrinks at once where that works. It often does not for a small size:
// ext4 packs the inode tables of 16 block groups at the start of the first, and
// resize2fs can't use their place for the blocks it has to move, although most
// of these groups go away. Shrinking to the minimum first frees it.
func (s shrinker) resize(ctx context.Context) error {
	blocks := strconv.FormatInt(s.size/s.geometry.blockSize, 10)
	// -f: the estimate of the least possible size is too high for small ones.
	// What really does not fit is refused with the filesystem as it was.
	err := s.run(ctx, "resize2fs", "-f", s.device, blocks)
	if err == nil || !programFailed(err) {
		return err
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := s.run(ctx, "resize2fs", "-M", s.device); err != nil {
		return s.noRoom(err)
	}
	if err := s.run(ctx, "resize2fs", "-f", s.device, blocks); err != nil {
		return s.noRoom(err)
	}
	return nil
}

func (s shrinker) check(ctx context.Context) error {
	_, err := run(ctx, s.device, "e2fsck", []string{"-f", "-y", s.device}, fsckRepaired)
	return err
}

func (s shrinker) run(ctx context.Context, program string, args ...string) error {
	_, err := run(ctx, s.device, program, args)
	return err
}

// noRoom turns the complaint of a program that ran into a *TooSmallError.
func (s shrinker) noRoom(err error) error {
	if !programFailed(err) {
		return err
	}
	return fmt.Errorf("%w (%w)", s.tooSmall(), err)
}

func (s shrinker) tooSmall() error {
	return &TooSmallError{Target: s.device, Size: s.size, Used: s.geometry.content()}
}

// programFailed tells a program that gave up from one that could not run or
// was killed.
func programFailed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() > 0
}
