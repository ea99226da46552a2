//go:build dmtest

package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/thintools"
)

// TestABlockThatAPowerCutLeftCountedIsGivenBack cuts the power after a commit
// that came while the kernel copied a block.
//
//vm:once
func TestABlockThatAPowerCutLeftCountedIsGivenBack(t *testing.T) {
	disk := preparedDisk(t)
	var cut imageFile
	onParts(t, disk, func(l *lab) {
		d := started(t)
		defer func() { sweep(t, d) }()
		requireNoError(t, d.create("child", "old", ""))
		dir, err := d.get("child")
		requireNoError(t, err)
		_, err = os.ReadFile(filepath.Join(dir, "x")) // no read but the copy's is to come
		requireNoError(t, err)
		requireNoError(t, l.lay("data", slowReads(l.below["data"])))
		written := make(chan error, 1)
		go func() { written <- overwriteSynced(filepath.Join(dir, "x"), "2") }()
		requireNoError(t, d.create("committed", "", ""))
		cut, err = disk.copyTo("cut")
		requireNoError(t, err)
		select {
		case err := <-written:
			t.Errorf("the write did not wait for the copy: %v", err)
		default:
		}
		requireNoError(t, l.mend("data"))
		requireNoError(t, <-written)
		requireNoError(t, d.put("child"))
		requireNoError(t, d.stop())
	})
	defer cut.discard()
	onDisk(t, cut, func() {
		if len(onLab.checkMetadata(t.Context(), thintools.Check)) == 0 {
			t.Error("no block was left counted, so nothing is shown")
		}
		d := started(t)
		defer func() { sweep(t, d) }()
		requireNoError(t, d.stop())
		if wrong := onLab.checkMetadata(t.Context(), thintools.Check); len(wrong) > 0 {
			t.Errorf("after the next start: %q", wrong)
		}
	})
}

// TestARemovalThatAPowerCutEndsLosesNoBlock cuts the power after a commit that came
// while the kernel discarded a layer's blocks, to each of which it refers itself
// meanwhile: no check would mend the count of one that other layers have too.
//
//vm:once
func TestARemovalThatAPowerCutEndsLosesNoBlock(t *testing.T) {
	disk := preparedDisk(t)
	var cut imageFile
	onParts(t, disk, func(l *lab) {
		d := started(t)
		defer func() { sweep(t, d) }()
		// Of blocks that lie side by side the child has half alone and half with old.
		requireNoError(t, d.perform(operation{verb: write, layer: "old", files: map[string]string{"big": strings.Repeat("1", 4<<20)}}))
		requireNoError(t, d.create("child", "old", ""))
		dir, err := d.get("old")
		requireNoError(t, err)
		requireNoError(t, overwriteSynced(filepath.Join(dir, "big"), strings.Repeat("2", 2<<20)))
		requireNoError(t, d.put("old"))
		time.Sleep(3 * time.Second) // until nothing is mounted: only discards are to be written
		requireNoError(t, l.lay("data", slowWrites(l.below["data"])))
		requireNoError(t, d.remove("child"))
		for n := 0; n < 20 && len(metadataIn(t, disk, thintools.Check)) == 0; n++ {
			requireNoError(t, d.create(fmt.Sprint("committed", n), "", ""))
		}
		cut, err = disk.copyTo("cut")
		requireNoError(t, err)
		requireNoError(t, l.mend("data"))
		requireNoError(t, d.stop())
	})
	defer cut.discard()
	if len(metadataIn(t, cut, thintools.Check)) == 0 {
		t.Error("no block was left counted, so nothing is shown")
	}
	if damage := metadataIn(t, cut, thintools.CheckDamage); len(damage) > 0 {
		t.Errorf("the power cut leaves %q", damage)
	}
	onDisk(t, cut, func() {
		d := started(t)
		defer func() { sweep(t, d) }()
		requireNoError(t, d.stop())
		if wrong := onLab.checkMetadata(t.Context(), thintools.Check); len(wrong) > 0 {
			t.Errorf("after the next start: %q", wrong)
		}
	})
}

// metadataIn has the pool's metadata on a disk checked as they are now.
func metadataIn(t *testing.T, disk imageFile, check func(context.Context, string) ([]string, error)) []string {
	t.Helper()
	now := make([]byte, metadataSize)
	_, err := disk.ReadAt(now, stateSize)
	requireNoError(t, err)
	path := filepath.Join(t.TempDir(), "metadata")
	requireNoError(t, os.WriteFile(path, now, 0o600))
	damage, err := check(t.Context(), path)
	requireNoError(t, err)
	return damage
}

// slowWrites delays writes and discards by 30 s, reads and flushes not at all.
func slowWrites(whole dm.Target) dm.Target {
	return dm.Target{Length: whole.Length, Type: "delay", Params: whole.Params + " 0 " + whole.Params + " 30000 " + whole.Params + " 0"}
}

// slowReads delays reads by 30 s, writes and flushes not at all.
func slowReads(whole dm.Target) dm.Target {
	return dm.Target{Length: whole.Length, Type: "delay", Params: whole.Params + " 30000 " + whole.Params + " 0"}
}

// overwriteSynced begins with the file's first block, which the parent has too.
func overwriteSynced(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	return f.Sync()
}
