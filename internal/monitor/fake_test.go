package monitor

import (
	"context"
	"errors"
	"sync"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/dmthin/dmthin/internal/thinpool"
)

const block = 64 << 10

// fakePool is a pool with blocks to count.
type fakePool struct {
	mu      sync.Mutex
	status  thinpool.Status
	looks   int
	chosen  []bool // SetErrorIfNoSpace
	devices uint64 // data blocks of the device below; 0: as the pool
	fail    error  // of Status
}

func newFakePool(dataPercent, metadataPercent uint64) *fakePool {
	return &fakePool{status: thinpool.Status{
		Mode: thinpool.ModeReadWrite, BlockSize: block,
		DataUsed: 10 * dataPercent, DataTotal: 1000,
		MetadataUsed: 10 * metadataPercent, MetadataTotal: 1000,
	}}
}

func (p *fakePool) Name() string { return "fake" }

func (p *fakePool) Status(context.Context) (thinpool.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks++
	return p.status, p.fail
}

func (p *fakePool) Grow(context.Context) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.devices <= p.status.DataTotal {
		return false, nil
	}
	p.setTotal(p.devices)
	return true, nil
}

// setTotal does what the kernel does when a pool grows.
func (p *fakePool) setTotal(blocks uint64) {
	p.status.DataTotal = blocks
	if p.status.Mode == thinpool.ModeOutOfDataSpace {
		p.status.Mode = thinpool.ModeReadWrite
	}
}

func (p *fakePool) SetErrorIfNoSpace(_ context.Context, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chosen = append(p.chosen, on)
	p.status.ErrorIfNoSpace = on
	return nil
}

// change alters the pool as the world does.
func (p *fakePool) change(f func(*thinpool.Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.status)
}

func (p *fakePool) read() (s thinpool.Status, looks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status, p.looks
}

var errGroupFull = errors.New("the volume group has too little free space; add a disk with vgextend")

// fakeGrower adds a fifth at a time while its group has blocks left.
type fakeGrower struct {
	pool *fakePool

	mu      sync.Mutex
	left    uint64 // data blocks
	calls   int
	nothing bool // finds nothing to do, as with a higher threshold
}

func (g *fakeGrower) Extend(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	status, _ := g.pool.read()
	step := status.DataTotal / 5
	switch {
	case g.nothing:
		return nil
	case g.left < step:
		return errGroupFull
	}
	g.left -= step
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	g.pool.setTotal(status.DataTotal + step)
	g.pool.status.MetadataTotal += 200
	return nil
}

func (g *fakeGrower) Reserve(context.Context) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(g.left) * block, nil
}

func (g *fakeGrower) add(blocks uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left += blocks
}

func (g *fakeGrower) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// newMonitor returns a monitor of the pool and what it logs.
func newMonitor(pool Pool, change func(*Config)) (*Monitor, *logtest.Hook) {
	logger, hook := logtest.NewNullLogger()
	cfg := Config{Pool: pool, ExtendPercent: 80, HowToGrow: "add a disk", Log: logrus.NewEntry(logger)}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), hook
}

// count is how many lines of this level or worse were logged.
func count(hook *logtest.Hook, level logrus.Level) int {
	n := 0
	for _, e := range hook.AllEntries() {
		if e.Level <= level {
			n++
		}
	}
	return n
}
