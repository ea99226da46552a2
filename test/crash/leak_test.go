//go:build dmtest

package crash

import (
	"os"
	"path/filepath"
	"testing"

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
		if len(checkMetadata(t.Context(), thintools.Check)) == 0 {
			t.Error("no block was left counted, so nothing is shown")
		}
		d := started(t)
		defer func() { sweep(t, d) }()
		requireNoError(t, d.stop())
		if wrong := checkMetadata(t.Context(), thintools.Check); len(wrong) > 0 {
			t.Errorf("after the next start: %q", wrong)
		}
	})
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
