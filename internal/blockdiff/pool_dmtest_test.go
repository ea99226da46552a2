//go:build dmtest

package blockdiff

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestMain(m *testing.M) { dmtest.Main(m) }

// thins are layers in a real pool.
type thins struct {
	*thinpool.Pool
	metadata string
	fs       filesystem.Type
	dir      string
	options  []string // of mounts
}

func newThins(t *testing.T, fs filesystem.Type, blockSize int64) *thins {
	t.Helper()
	spec := thinpool.Spec{
		Name: "blockdifftest-pool", UUID: "BLOCKDIFFTEST-pool", BlockSize: blockSize, LowWaterBlocks: 16,
		DataDevice: dmtest.Loop(t, 1<<30), MetadataDevice: dmtest.Loop(t, 16<<20),
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	pool, err := thinpool.Open(t.Context(), spec, logrus.NewEntry(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &thins{Pool: pool, metadata: spec.MetadataDevice, fs: fs, dir: t.TempDir()}
}

// Commit implements Metadata.
func (p *thins) Commit(ctx context.Context) (string, error) {
	return p.metadata, p.Pool.Commit(ctx)
}

// Turn and Hold implement Metadata.
func (p *thins) Turn(ctx context.Context) (done func(), err error) { return alone{}.Turn(ctx) }

func (p *thins) Hold(ctx context.Context) (string, func(context.Context) error, error) {
	return p.metadata, p.ReleaseMetadataSnapshot, p.ReserveMetadataSnapshot(ctx)
}

func (p *thins) thin(id thinpool.DeviceID) thinpool.Thin {
	name := fmt.Sprintf("BLOCKDIFFTEST-%d", id)
	return thinpool.Thin{Name: name, UUID: name, ID: id, Size: 512 << 20}
}

func (p *thins) layer(id thinpool.DeviceID) Layer {
	return Layer{Dir: filepath.Join(p.dir, fmt.Sprint(id), "rootfs"), Device: uint32(id)}
}

func (p *thins) activate(t *testing.T, id thinpool.DeviceID) (node string, deactivate func()) {
	t.Helper()
	device, err := p.Activate(t.Context(), p.thin(id), false)
	if err != nil {
		t.Fatal(err)
	}
	return device.Path, func() {
		if err := p.Deactivate(context.Background(), p.thin(id).Name); err != nil {
			t.Error(err)
		}
	}
}

// use mounts a layer and calls do with its folder.
func (p *thins) use(t *testing.T, id thinpool.DeviceID, readOnly bool, do func(dir string)) {
	t.Helper()
	node, deactivate := p.activate(t, id)
	defer deactivate()
	top := filepath.Dir(p.layer(id).Dir)
	if err := os.MkdirAll(top, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := filesystem.Mount(t.Context(), node, top, p.fs, filesystem.MountOptions{ReadOnly: readOnly, Extra: p.options}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if detached, err := filesystem.Unmount(context.Background(), top); err != nil || detached {
			t.Errorf("unmount: %v, %v", detached, err)
		}
	}()
	do(p.layer(id).Dir)
}

// dirty leaves data in the pool's free blocks.
func (p *thins) dirty(t *testing.T, id thinpool.DeviceID) {
	t.Helper()
	if err := p.CreateThin(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	node, deactivate := p.activate(t, id)
	if err := os.WriteFile(node, bytes.Repeat([]byte("not zero"), 16<<20/8), 0); err != nil {
		t.Error(err)
	}
	deactivate()
	if err := p.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// base makes the first layer, on blocks that were in use before.
func (p *thins) base(t *testing.T, seed uint64) {
	t.Helper()
	p.dirty(t, 100)
	if err := p.CreateThin(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	node, deactivate := p.activate(t, 0)
	defer deactivate()
	if err := filesystem.Format(t.Context(), node, p.fs, nil); err != nil {
		t.Fatal(err)
	}
	if err := filesystem.PrepareBase(t.Context(), node, p.fs, 0, 0); err != nil {
		t.Fatal(err)
	}
	p.use(t, 0, false, func(dir string) {
		newChurn(seed, dir).run(300)
		index(t, dir)
	})
}

// still freezes the one layer that is mounted for writing.
func (p *thins) still(writable thinpool.DeviceID) Still {
	return func(ctx context.Context, look func() error) error {
		if err := p.Suspend(ctx, p.thin(writable).Name); err != nil {
			return err
		}
		err := look()
		if resumeErr := p.Resume(context.WithoutCancel(ctx), p.thin(writable).Name); resumeErr != nil {
			return resumeErr
		}
		return err
	}
}

func unheld(_ context.Context, look func() error) error { return look() }

// compare checks two mounted layers.
func (p *thins) compare(t *testing.T, after, before thinpool.DeviceID, still Still) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	log.SetLevel(logrus.DebugLevel)
	var outcome Outcome
	d := New(Config{Metadata: p, DataDevice: p.DataDevice, Log: logrus.NewEntry(log), Observe: func(o Outcome) { outcome = o }})
	d.inodesPerLookup = 1
	got, err := d.Changes(t.Context(), p.layer(after), p.layer(before), still)
	if err != nil {
		t.Fatal(err)
	}
	want, err := diff.Changes(t.Context(), p.layer(after).Dir, p.layer(before).Dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer %d against %d (-walk +%s):\n%s", after, before, outcome.Method, diff)
	}
	if !bytes.Equal(tarOf(t, p.layer(after).Dir, want), tarOf(t, p.layer(after).Dir, got)) {
		t.Errorf("layer %d against %d: the tars differ", after, before)
	}
	if outcome.Method == Walk && outcome.Reason != Many {
		t.Errorf("layer %d against %d: %+v", after, before, outcome)
	}
}

// testChain compares layers on one another, those just changed while they are
// still mounted for writing, too.
func testChain(t *testing.T, fs filesystem.Type, blockSize int64, seed uint64) {
	p := newThins(t, fs, blockSize)
	p.base(t, seed)
	for id := thinpool.DeviceID(1); id <= 3; id++ {
		if err := p.CreateSnapshot(t.Context(), id, id-1); err != nil {
			t.Fatal(err)
		}
		p.use(t, id-1, true, func(string) {
			p.use(t, id, false, func(dir string) {
				newChurn(seed*10+uint64(id), dir).run(int(id * 15))
				p.compare(t, id, id-1, p.still(id))
			})
			p.use(t, id, true, func(string) {
				p.compare(t, id, id-1, unheld)
				p.compare(t, id-1, id, unheld)
			})
		})
	}
}

//vm:once
func TestRandomThinLayersGiveTheChangesOfTheWalk(t *testing.T) {
	for _, k := range []struct {
		fs        filesystem.Type
		blockSize int64
	}{{filesystem.Ext4, 64 << 10}, {filesystem.Ext4, 512 << 10}, {filesystem.XFS, 64 << 10}} {
		t.Run(fmt.Sprint(k.fs, k.blockSize>>10, "K"), func(t *testing.T) { testChain(t, k.fs, k.blockSize, uint64(k.blockSize)) })
	}
}

// Without barriers a freeze writes everything and has the pool commit nothing.
//
//vm:once
func TestAChangeThePoolHasNotCommittedIsFound(t *testing.T) {
	p := newThins(t, filesystem.Ext4, 64<<10)
	p.base(t, 1)
	if err := p.CreateSnapshot(t.Context(), 1, 0); err != nil {
		t.Fatal(err)
	}
	p.options = []string{"barrier=0"}
	p.use(t, 0, true, func(string) {
		p.use(t, 1, false, func(dir string) {
			for i := range 3 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("new", i)), []byte("new"), 0o600); err != nil {
					t.Fatal(err)
				}
				p.compare(t, 1, 0, p.still(1))
			}
		})
	})
}

// Each commit of the pool may come in the way of who reads what it committed last.
//
//vm:once
func TestLayersOfABusyPoolAreComparedByBlocks(t *testing.T) {
	p := newThins(t, filesystem.Ext4, 64<<10)
	p.base(t, 2)
	if err := p.CreateSnapshot(t.Context(), 1, 0); err != nil {
		t.Fatal(err)
	}
	p.use(t, 1, false, func(dir string) { newChurn(3, dir).run(15) })
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			err := p.CreateSnapshot(context.Background(), 2, 0)
			if err == nil {
				err = p.Delete(context.Background(), 2)
			}
			select {
			case <-stop:
				stopped <- err
				return
			default:
			}
		}
	}()
	p.use(t, 0, true, func(string) {
		p.use(t, 1, true, func(string) {
			for range 10 {
				p.compare(t, 1, 0, unheld)
			}
		})
	})
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
