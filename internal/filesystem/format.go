package filesystem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Format makes a filesystem on an empty device. Each of extraArgs is one
// argument of mkfs, placed after ours, so that it wins where both set the same
// thing; note that a second -E of mkfs.ext4 replaces the first as a whole.
// A device that holds an ext4 or xfs filesystem is refused with ErrNotEmpty.
//
// ext4 reserves no blocks for root: in a container there is nobody they could
// save, and df would show less than what was asked for. Checks by mount count
// or time are off, as is mke2fs's default.
func Format(ctx context.Context, device string, t Type, extraArgs []string) error {
	found, err := Probe(device)
	if err == nil {
		return fmt.Errorf("format %s as %s: it %w (%s)", device, t, ErrNotEmpty, found)
	}
	if !errors.Is(err, ErrNoFilesystem) {
		return fmt.Errorf("format %s as %s: %w", device, t, err)
	}
	program, args, err := mkfsCommand(t)
	if err != nil {
		return err
	}
	if _, err = run(ctx, device, program, slices.Concat(args, extraArgs, []string{device})); err != nil {
		return err
	}
	if t == Ext4 && !slices.ContainsFunc(extraArgs, func(arg string) bool { return strings.Contains(arg, "orphan_file") }) {
		return dropOrphanFile(ctx, device)
	}
	return nil
}

// dropOrphanFile removes what mkfs.ext4 makes since e2fsprogs 1.47 for servers
// that truncate files on many CPUs at once. The kernel reads all of that file,
// 512 blocks one after the other on 10 GB, at each mount: more than all else a
// mount does. An older mkfs doesn't know the feature's name, so it can't be told
// to leave it out.
func dropOrphanFile(ctx context.Context, device string) error {
	g, err := readExtGeometry(device)
	if err != nil || !g.orphan {
		return err
	}
	_, err = run(ctx, device, "tune2fs", []string{"-O", "^orphan_file", device})
	return err
}

// mkfsCommand never discards: a fresh thin device has nothing to give back,
// and discarding its virtual size takes long.
//
// ext4's inode tables are left unwritten; the kernel clears each block of them
// when it first uses it. The journal is written, and thereby allocated in the
// pool: on a pool that does not zero new blocks an unwritten journal reads as
// what a deleted snapshot's journal left there. Snapshots of one base share
// UUID, journal position and sequence numbers, so recovery after a crash would
// take such a stale transaction for its own and replay it.
func mkfsCommand(t Type) (program string, args []string, err error) {
	switch t {
	case Ext4:
		return "mkfs.ext4", []string{"-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=0"}, nil
	case XFS:
		return "mkfs.xfs", []string{"-q", "-K"}, nil
	default:
		return "", nil, fmt.Errorf("format as %q: %w", t, ErrUnsupported)
	}
}
