//go:build roottest

package offline

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/loop"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// onDevice is a pool that the tool finds on a device.
func (h *host) onDevice(t *testing.T) (p *Pool, device string) {
	t.Helper()
	f, err := os.OpenFile(h.metadata(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := loop.Attach(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if p, err = open(h.dir, d.Path, h.sys); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, d.Path
}

// cutShort has the power cut while a repair overwrites the device.
func cutShort(t *testing.T, p *Pool, device string) {
	t.Helper()
	d, err := p.Diagnose(t.Context(), IfLost{BlockSize: 64 << 10})
	if err != nil || d.Action != Rebuild {
		t.Fatalf("Diagnose = %+v, %v", d, err)
	}
	defer func() {
		if recover() == nil {
			t.Fatal("the repair went on")
		}
		scribble(t, device)
	}()
	_, _ = p.Repair(t.Context(), d, time.Now(), func(step string) {
		if strings.HasPrefix(step, "overwriting") {
			panic("the power is cut")
		}
	})
}

func scribble(t *testing.T, device string) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := int64(1); block < 60; block++ {
		if _, err := f.WriteAt(bytes.Repeat([]byte("half"), 1024), block*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func TestARepairThatWasCutShortBeginsAnewWithTheOldMetadata(t *testing.T) {
	h := newHost(t)
	h.changeBlock(t, h.spaceMap(t), func(b []byte) { clear(b) })
	p, device := h.onDevice(t)
	cutShort(t, p, device)
	for range 2 { // it may be cut short again
		cutShort(t, p, device)
		if m, err := thinmeta.Open(device); err == nil {
			t.Error("the kernel would take up what is half written")
			_ = m.Close()
		}
	}
	d, err := p.Diagnose(t.Context(), IfLost{BlockSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := p.Repair(t.Context(), d, time.Now(), func(string) {}); err != nil || len(done.Findings) != 0 {
		t.Errorf("Repair = %+v, %v", done, err)
	}
	if d, err := p.Diagnose(t.Context(), IfLost{BlockSize: 64 << 10}); err != nil || d.Action != Nothing {
		t.Errorf("afterwards: %+v, %v", d, err)
	}
}

// spaceMap is the root of the tree that says which data blocks are in use. It can be
// found out again from the mappings.
func (h *host) spaceMap(t *testing.T) (block int64) {
	t.Helper()
	const rootAt = 64 + 16 // in the superblock
	h.changeBlock(t, 0, func(b []byte) { block = int64(binary.LittleEndian.Uint64(b[rootAt:])) })
	return block
}
