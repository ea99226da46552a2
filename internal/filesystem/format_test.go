//go:build roottest

package filesystem

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

func TestFormattedDeviceIsRecognised(t *testing.T) {
	for _, kind := range types {
		t.Run(string(kind), func(t *testing.T) {
			device := formatted(t, kind, 512*mib)
			if got, err := Probe(device); got != kind || err != nil {
				t.Errorf("Probe() = %q, %v", got, err)
			}
			want, err := exec.Command("blkid", "-p", "-s", "UUID", "-o", "value", device).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := UUID(t.Context(), device); got != strings.TrimSpace(string(want)) || err != nil {
				t.Errorf("UUID() = %q, %v; blkid says %q", got, err, want)
			}
		})
	}
}

func TestFormatNeverOverwritesAFilesystem(t *testing.T) {
	for _, kind := range types {
		device := formatted(t, kind, 512*mib)
		before, _ := UUID(t.Context(), device)
		for _, next := range types {
			if err := Format(t.Context(), device, next, []string{"-F"}); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("%s over %s: error = %v, want ErrNotEmpty", next, kind, err)
			}
		}
		if after, _ := UUID(t.Context(), device); after != before {
			t.Errorf("%s filesystem was replaced", kind)
		}
	}
}

func TestFormatQuotesWhatMkfsSays(t *testing.T) {
	device := looptest.Image(t, 64*mib).Path // xfs wants 300 MB
	err := Format(t.Context(), device, XFS, nil)
	var failed *ProgramError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "300MB") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v; want one line with mkfs.xfs's reason", err)
	}
	err = Format(t.Context(), device, Ext4, []string{"-O", "no_such_feature"})
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "no_such_feature") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v; want one line with mkfs.ext4's reason", err)
	}
}

func TestFormatPassesExtraArguments(t *testing.T) {
	device := looptest.Image(t, 512*mib).Path
	if err := Format(t.Context(), device, Ext4, []string{"-L", "two words"}); err != nil {
		t.Fatal(err)
	}
	label, err := exec.Command("blkid", "-p", "-s", "LABEL", "-o", "value", device).Output()
	if err != nil || strings.TrimSpace(string(label)) != "two words" {
		t.Errorf("label = %q, %v", label, err)
	}
}

// The kernel reads all of it at each mount.
func TestLayersHaveAnOrphanFileOnlyIfAskedFor(t *testing.T) {
	for _, args := range [][]string{nil, {"-O", "orphan_file"}} {
		device := looptest.Image(t, 512*mib).Path
		if err := Format(t.Context(), device, Ext4, args); err != nil {
			t.Fatal(err)
		}
		asked := args != nil
		if g, err := readExtGeometry(device); err != nil || g.orphan != asked {
			t.Errorf("mkfs %q: orphan file %v, %v", args, g.orphan, err)
		}
	}
}

// Whether mkfs makes one by itself depends on its release.
func TestAnOrphanFileGoesWithoutHarm(t *testing.T) {
	device := looptest.Image(t, 512*mib).Path
	if err := Format(t.Context(), device, Ext4, []string{"-O", "orphan_file"}); err != nil {
		t.Fatal(err)
	}
	if err := dropOrphanFile(t.Context(), device); err != nil {
		t.Fatal(err)
	}
	if g, err := readExtGeometry(device); err != nil || g.orphan {
		t.Errorf("orphan file %v, %v", g.orphan, err)
	}
	if damage, err := Check(t.Context(), device, Ext4); err != nil || len(damage) > 0 {
		t.Errorf("fsck: %v, %v", damage, err)
	}
}

func TestFormatOfAnUnsupportedType(t *testing.T) {
	if err := Format(t.Context(), looptest.Image(t, 64*mib).Path, "btrfs", nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error = %v, want ErrUnsupported", err)
	}
}

func TestFormatStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Format(ctx, looptest.Image(t, 512*mib).Path, Ext4, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

// Inode tables are left to the kernel (160 MiB here); the journal must be
// allocated, or stale blocks of a pool that does not zero could be replayed.
func TestExt4BaseAllocatesTheJournalAndNotTheInodeTables(t *testing.T) {
	d := looptest.Image(t, 10*gib)
	if err := Format(t.Context(), d.Path, Ext4, nil); err != nil {
		t.Fatal(err)
	}
	g, err := readExtGeometry(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	if g.journal != 64*mib {
		t.Errorf("journal = %d bytes, want 64 MiB", g.journal)
	}
	file := backingFile(t, d.Path)
	if err := exec.Command("sync", "-f", file).Run(); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		t.Fatal(err)
	}
	if used := st.Blocks * 512; used < g.journal || used > g.journal+16*mib {
		t.Errorf("mkfs allocated %d bytes, want the journal's %d and little more", used, g.journal)
	}
}

func TestExt4ReservesNothingAndNeedsNoPeriodicCheck(t *testing.T) {
	device := formatted(t, Ext4, 512*mib)
	out, err := exec.Command("dumpe2fs", "-h", device).Output()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{"Reserved block count: 0", "Maximum mount count: -1", "Check interval: 0 "} {
		if !strings.Contains(text, want) {
			t.Errorf("dumpe2fs does not show %q", want)
		}
	}
}

func TestAvailableOnThisMachine(t *testing.T) {
	for _, kind := range types {
		if err := Available(t.Context(), kind); err != nil {
			t.Error(err)
		}
	}
	if err := Available(t.Context(), "btrfs"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error = %v, want ErrUnsupported", err)
	}
}

func TestAKernelWithoutTheFilesystemIsReported(t *testing.T) {
	if err := kernelHas("nosuchfs"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "kernel") {
		t.Errorf("error = %v, want ErrUnavailable blaming the kernel", err)
	}
}
