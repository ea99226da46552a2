//go:build roottest && !dmtest

package blockdiff

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/inodescan"
	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// These tests have no thin pool: a layer is an image file, a snapshot is a copy
// of it, and which blocks differ is found by comparing the files.

var (
	fuzzFor  = flag.Duration("fuzzfor", 0, "go on with random layers for this `time`")
	fuzzSeed = flag.Uint64("fuzzseed", 0, "begin with this seed instead of one from the clock")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(looptest.Main(m))
}

// images are the layers' files, by device ID.
type images struct {
	dir       string
	fs        filesystem.Type
	blockSize int64
	outcomes  map[Method]int
}

func newImages(t testing.TB, fs filesystem.Type, size, blockSize int64, mkfs ...string) *images {
	t.Helper()
	m := &images{t.TempDir(), fs, blockSize, map[Method]int{}}
	if err := os.WriteFile(m.path(0), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(m.path(0), size); err != nil {
		t.Fatal(err)
	}
	if err := filesystem.Format(t.Context(), m.path(0), fs, mkfs); err != nil {
		t.Fatal(err)
	}
	m.use(t, 0, false, func(dir string) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	})
	return m
}

func (m *images) path(id uint32) string  { return filepath.Join(m.dir, fmt.Sprint(id)) }
func (m *images) mount(id uint32) string { return m.path(id) + ".mnt" }

func (m *images) layer(id uint32) Layer {
	return Layer{Dir: filepath.Join(m.mount(id), "rootfs"), Device: id}
}

// use mounts a layer and calls do with its folder.
func (m *images) use(t testing.TB, id uint32, readOnly bool, do func(dir string)) {
	t.Helper()
	if err := os.MkdirAll(m.mount(id), 0o755); err != nil {
		t.Fatal(err)
	}
	device := looptest.Attach(t, m.path(id))
	defer device.Close()
	o := filesystem.MountOptions{ReadOnly: readOnly}
	if err := filesystem.Mount(t.Context(), device.Path, m.mount(id), m.fs, o); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if detached, err := filesystem.Unmount(context.Background(), m.mount(id)); err != nil || detached {
			t.Errorf("unmount: %v, %v", detached, err)
		}
	}()
	do(m.layer(id).Dir)
}

// snapshot makes a copy that differs from its origin nowhere.
func (m *images) snapshot(t testing.TB, id, origin uint32) {
	t.Helper()
	out, err := exec.Command("cp", "--sparse=always", m.path(origin), m.path(id)).CombinedOutput()
	if err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// scan is pool.scan for image files.
func (m *images) scan(ctx context.Context, before, after uint32) (inodescan.Result, error) {
	was, err := os.Open(m.path(before))
	if err != nil {
		return inodescan.Result{}, err
	}
	defer was.Close()
	is, err := os.Open(m.path(after))
	if err != nil {
		return inodescan.Result{}, err
	}
	defer is.Close()
	var changed []inodescan.Extent
	a, b := make([]byte, m.blockSize), make([]byte, m.blockSize)
	for block := int64(0); ; block++ {
		n, err := io.ReadFull(was, a)
		if err == io.EOF {
			break
		}
		if err != nil {
			return inodescan.Result{}, err
		}
		if _, err := io.ReadFull(is, b[:n]); err != nil {
			return inodescan.Result{}, err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			changed = appendBlock(changed, block, m.blockSize)
		}
	}
	return inodescan.Scan(ctx, was, is, changed)
}

// compare checks a pair of layers and returns how the differ went about it.
func (m *images) compare(t *testing.T, after, before uint32) (outcome Outcome, changes int) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	log.SetLevel(logrus.DebugLevel)
	observe := func(o Outcome) {
		outcome = o
		m.outcomes[o.Method]++
	}
	d := newDiffer(Config{Metadata: alone{}, Log: logrus.NewEntry(log), Observe: observe}, m.scan, nil, 1)
	m.use(t, before, true, func(string) {
		m.use(t, after, true, func(string) {
			got, err := d.Changes(t.Context(), m.layer(after), m.layer(before), unheld)
			if err != nil {
				t.Fatal(err)
			}
			want, err := diff.Changes(t.Context(), m.layer(after).Dir, m.layer(before).Dir)
			if err != nil {
				t.Fatal(err)
			}
			changes = len(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("layer %d against %d (-walk +%s):\n%s", after, before, outcome.Method, diff)
			}
			if !bytes.Equal(tarOf(t, m.layer(after).Dir, want), tarOf(t, m.layer(after).Dir, got)) {
				t.Errorf("layer %d against %d: the tars differ", after, before)
			}
		})
	})
	return outcome, changes
}

// unheld is a Still for layers that nobody writes to.
func unheld(_ context.Context, look func() error) error { return look() }

// fill makes the layer that others are snapshots of.
func (m *images) fill(t *testing.T, id uint32, seed uint64, operations int) {
	t.Helper()
	m.use(t, id, false, func(dir string) {
		newChurn(seed, dir).run(operations)
		if id%2 == 0 { // or what is known is that of the layer below
			index(t, dir)
		}
	})
}

// kinds are the filesystems and block sizes to be tried.
var kinds = []struct {
	fs        filesystem.Type
	size      int64
	blockSize int64
	mkfs      []string
}{
	{filesystem.Ext4, 64 << 20, 64 << 10, nil},
	{filesystem.Ext4, 64 << 20, 512 << 10, nil},
	{filesystem.Ext4, 64 << 20, 64 << 10, []string{"-b", "1024", "-I", "128"}},
	{filesystem.Ext4, 256 << 20, 64 << 10, []string{"-O", "inline_data,^flex_bg,ea_inode", "-N", "4000"}},
	{filesystem.Ext4, 64 << 20, 64 << 10, []string{"-O", "^metadata_csum,^64bit"}},
	{filesystem.XFS, 300 << 20, 64 << 10, nil},
	{filesystem.XFS, 300 << 20, 512 << 10, []string{"-i", "size=1024", "-m", "rmapbt=1,reflink=0"}},
}

// chain makes layers on one another with random changes and compares each with
// the two below it, both ways.
func chain(t *testing.T, seed uint64) map[Method]int {
	t.Helper()
	k := kinds[seed%uint64(len(kinds))]
	m := newImages(t, k.fs, k.size, k.blockSize, k.mkfs...)
	m.fill(t, 0, seed, 400)
	for id := uint32(1); id <= 3; id++ {
		m.snapshot(t, id, id-1)
		m.fill(t, id, seed*10+uint64(id), 1+int(seed*7+uint64(id)*13)%60)
		m.expectBlocks(t, id, id-1)
		m.expectBlocks(t, id-1, id)
		if id > 1 {
			m.expectBlocks(t, id, id-2)
		}
	}
	if t.Failed() {
		t.Fatalf("seed %d: %s in blocks of %d, mkfs %v", seed, k.fs, k.blockSize, k.mkfs)
	}
	return m.outcomes
}

func (m *images) expectBlocks(t *testing.T, after, before uint32) {
	t.Helper()
	outcome, _ := m.compare(t, after, before)
	if outcome.Method == Walk && outcome.Reason != Many {
		t.Errorf("layer %d against %d: %+v", after, before, outcome)
	}
}

func TestRandomLayersGiveTheChangesOfTheWalk(t *testing.T) {
	for seed := range uint64(len(kinds)) {
		if methods := chain(t, seed); methods[Blocks] == 0 {
			t.Errorf("seed %d: no comparison did without a list of all names: %v", seed, methods)
		}
	}
}

// TestFuzz is for make fuzz-diff.
func TestFuzz(t *testing.T) {
	seed := *fuzzSeed
	if seed == 0 {
		seed = uint64(time.Now().Unix()) << 20
	}
	rounds, methods := 0, map[Method]int{}
	for begin := time.Now(); time.Since(begin) < *fuzzFor; rounds++ {
		for method, n := range chain(t, seed+uint64(rounds)) {
			methods[method] += n
		}
	}
	t.Logf("%d rounds from seed %d: %v", rounds, seed, methods)
}
