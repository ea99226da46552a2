package takeover

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// A host with a hundred times the data, and the same layers, is adopted by the
// same reads and writes.
func TestWhatItTakesDoesNotGrowWithTheData(t *testing.T) {
	const gigabyte = 1 << 30 / blockSize
	const slack = 64 << 10 // the tests' own; the mappings of 99 GB take 25 MB
	adopt, _, _ := operations(t)
	var took [2]cost
	for n, blocks := range []int{gigabyte, 100 * gigabyte} {
		h := newDockerHost(t)
		h.fill(t, blocks)
		took[n] = costOf(t, func() { h.do(t, adopt) })
	}
	small, large := took[0], took[1]
	t.Logf("1 GB: %+v; 100 GB: %+v", small, large)
	if large.written > small.written+slack {
		t.Errorf("it wrote %d bytes for 1 GB, %d for 100 GB", small.written, large.written)
	}
	if large.read > small.read+slack {
		t.Errorf("it read %d bytes for 1 GB, %d for 100 GB", small.read, large.read)
	}
	if large.time > 5*small.time+300*time.Millisecond {
		t.Errorf("it took %s for 1 GB, %s for 100 GB", small.time, large.time)
	}
}

// fill maps all other blocks of the pool to the device of the lower
// image, in a sparse file. The other devices keep their own, the first ones.
func (h *dockerHost) fill(t *testing.T, blocks int) {
	t.Helper()
	if err := os.Truncate(h.home("devicemapper", "data"), int64(blocks)*blockSize); err != nil {
		t.Fatal(err)
	}
	low := h.records[lowImage]
	low.Size = int64(blocks) * blockSize
	h.records[lowImage] = low
	h.writeRecords(t)
	own := `<single_mapping origin_block="0" data_block="2" time="0"/>`
	more := fmt.Sprintf(`<range_mapping origin_begin="1" data_begin="%d" length="%d" time="0"/>`, dataBlocks, blocks-dataBlocks)
	h.restorePool(t, strings.NewReplacer(
		own, own+more, `dev_id="2" mapped_blocks="1"`, fmt.Sprintf(`dev_id="2" mapped_blocks="%d"`, 1+blocks-dataBlocks),
	).Replace(h.poolXML(h.devices(), blocks)))
}

// cost is what an operation took, with the programs it ran.
type cost struct {
	read, written int64
	time          time.Duration
}

func costOf(t *testing.T, do func()) cost {
	t.Helper()
	before, start := ioOf(t), time.Now()
	do()
	after := ioOf(t)
	return cost{after.read - before.read, after.written - before.written, time.Since(start)}
}

// ioOf reads what the kernel counts of this process and of those it waited for.
func ioOf(t *testing.T) (c cost) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanf(bytes.NewReader(text), "rchar: %d\nwchar: %d\n", &c.read, &c.written); err != nil {
		t.Fatal(err)
	}
	return c
}
