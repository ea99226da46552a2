//go:build roottest

package thinmeta

import (
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// What the page cache of the device holds is what the kernel's own writes to
// pool metadata leave stale; writing to the file below does the same.
func TestADeviceIsReadAroundThePageCache(t *testing.T) {
	m := pool{1: {0: 10}}.metadata(4)
	path := m.file(t)
	device := looptest.AttachFile(t, path)
	cached, err := os.Open(device.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer cached.Close()
	before, err := io.ReadAll(cached)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, m, path, map[int]uint64{transactionIDAt: 99})

	if got := openFor(t, device.Path, Open).Superblock().TransactionID; got != 99 {
		t.Errorf("transaction ID %d, want what was written last, 99", got)
	}
	after := make([]byte, len(before))
	if _, err := cached.ReadAt(after, 0); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(before, after) {
		t.Error("nothing stale was in the page cache: this test shows nothing here")
	}
}
