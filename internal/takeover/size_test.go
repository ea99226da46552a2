package takeover

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A host with a hundred times the data, and the same layers, is adopted by the
// same writes and reads. What thin_check reads past the kernel's count has a
// bound, and so has the time it takes.
func TestWhatItTakesDoesNotGrowWithTheData(t *testing.T) {
	const gigabyte = 1 << 30 / blockSize
	const slack = 64 << 10 // the tests' own; the mappings of 99 GB take 50 MB
	adopt, _, _ := operations(t)
	took := map[int]cost{}
	for _, size := range []int{1, 20, 100} {
		h := newDockerHost(t)
		h.fill(t, size*gigabyte)
		var p Plan
		took[size] = costOf(t, func() { p = h.do(t, adopt) })
		if want := uint64(size*gigabyte - dataBlocks); mappedBlocks(p) < want {
			t.Errorf("the pool has %d blocks mapped, not the %d of %d GB", mappedBlocks(p), want, size)
		}
		if whole := len(p.Notes) == 0; whole != (size < 100) {
			t.Errorf("%d GB: notes %q", size, p.Notes)
		}
		t.Logf("%d GB, %d blocks: %+v", size, mappedBlocks(p), took[size])
	}
	small := took[1]
	for size, large := range took {
		if large.written > small.written+slack {
			t.Errorf("it wrote %d bytes for 1 GB, %d for %d GB", small.written, large.written, size)
		}
		if large.read > small.read+slack {
			t.Errorf("it read %d bytes for 1 GB, %d for %d GB", small.read, large.read, size)
		}
		if large.time > 5*small.time+time.Second {
			t.Errorf("it took %s for 1 GB, %s for %d GB", small.time, large.time, size)
		}
	}
}

// mappedBlocks counts the blocks of all devices that the plan's look found.
func mappedBlocks(p Plan) (blocks uint64) {
	for _, d := range p.survey.devices {
		blocks += uint64(d.MappedBytes / blockSize)
	}
	return blocks
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
	time          time.Duration // of the CPU: a clock tells what else the machine does
}

func costOf(t *testing.T, do func()) cost {
	t.Helper()
	before := costSoFar(t)
	do()
	after := costSoFar(t)
	return cost{after.read - before.read, after.written - before.written, after.time - before.time}
}

// costSoFar reads what the kernel counts of this process and of those it waited
// for.
func costSoFar(t *testing.T) (c cost) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanf(bytes.NewReader(text), "rchar: %d\nwchar: %d\n", &c.read, &c.written); err != nil {
		t.Fatal(err)
	}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			t.Fatal(err)
		}
		c.time += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return c
}
