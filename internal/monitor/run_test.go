package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// fakeEvents passes on what is sent to it.
type fakeEvents struct {
	happened chan struct{}
	broken   error
}

func (e *fakeEvents) Wait(ctx context.Context) error {
	if e.broken != nil {
		return e.broken
	}
	select {
	case <-e.happened:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// during runs the monitor while f runs.
func during(t *testing.T, m *Monitor, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); m.Run(ctx) }()
	f()
	cancel()
	<-ended
}

func TestAnEventMakesItLookAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, events := newFakePool(10, 10), &fakeEvents{happened: make(chan struct{})}
		m, _ := newMonitor(pool, func(c *Config) { c.Events = events })
		during(t, m, func() {
			time.Sleep(3 * time.Second)
			pool.change(func(s *thinpool.Status) { s.DataUsed = 900 })
			events.happened <- struct{}{}
			time.Sleep(eventGap)
			if got := m.State().Data.Level; got != LevelLow {
				t.Errorf("level %v", got)
			}
		})
	})
}

// Each layer that comes or goes raises events.
func TestManyEventsMakeFewLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, events := newFakePool(10, 10), &fakeEvents{happened: make(chan struct{})}
		m, _ := newMonitor(pool, func(c *Config) { c.Events = events })
		during(t, m, func() {
			start := time.Now()
			for time.Since(start) < 2*time.Second {
				select {
				case events.happened <- struct{}{}:
				case <-time.After(time.Millisecond):
				}
			}
			if _, looks := pool.read(); looks < 15 || looks > 25 {
				t.Errorf("%d looks in 2 s", looks)
			}
		})
	})
}

func TestItLooksWithoutEventsToo(t *testing.T) {
	for name, events := range map[string]Events{"none": nil, "broken": &fakeEvents{broken: errors.New("no such call")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := newFakePool(10, 10)
				m, hook := newMonitor(pool, func(c *Config) { c.Events, c.QueueWhenFull = events, true })
				during(t, m, func() {
					time.Sleep(time.Minute + time.Second)
					if got := count(hook, logrus.WarnLevel); got > 1 {
						t.Errorf("%d warnings", got)
					}
					if _, looks := pool.read(); looks < 6 || looks > 8 {
						t.Errorf("%d looks in a minute", looks)
					}
					pool.change(func(s *thinpool.Status) { s.DataUsed = 900 })
					time.Sleep(10 * time.Second)
					_, before := pool.read()
					time.Sleep(10 * time.Second)
					if _, looks := pool.read(); looks < before+9 {
						t.Errorf("%d looks in 10 s while space is low", looks-before)
					}
				})
			})
		})
	}
}

// A volume group that is full is asked again and again: not so often that LVM
// is all that runs, and soon enough once a disk is added.
func TestFailedExtensionIsTriedAgainWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newFakePool(85, 10)
		grower := &fakeGrower{pool: pool}
		m, _ := newMonitor(pool, func(c *Config) { c.Grower = grower })
		during(t, m, func() {
			time.Sleep(10*time.Minute + time.Second)
			if got := grower.count(); got < 8 || got > 20 {
				t.Errorf("%d attempts in 10 minutes", got)
			}
			grower.add(1000)
			time.Sleep(longestPause + time.Second)
			if got := m.State().Extensions; got.Done != 1 || got.Failure != "" {
				t.Errorf("after a disk was added: %+v", got)
			}
			if status, _ := pool.read(); status.ErrorIfNoSpace {
				t.Error("writes still fail at once")
			}
		})
	})
}

func TestFullPoolIsExtendedSoonAfterSpaceIsAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newFakePool(100, 10)
		pool.change(func(s *thinpool.Status) { s.Mode = thinpool.ModeOutOfDataSpace })
		grower := &fakeGrower{pool: pool}
		m, _ := newMonitor(pool, func(c *Config) { c.Grower = grower })
		during(t, m, func() {
			time.Sleep(10 * time.Minute)
			if status, _ := pool.read(); !status.ErrorIfNoSpace || m.State().FullSince.IsZero() {
				t.Errorf("%+v, full since %v", status, m.State().FullSince)
			}
			for before := grower.count(); grower.count() == before; {
				time.Sleep(100 * time.Millisecond)
			}
			grower.add(1000) // just after it was asked in vain
			time.Sleep(fullPause + 2*time.Second)
			status, _ := pool.read()
			if status.Mode != thinpool.ModeReadWrite || status.ErrorIfNoSpace || !m.State().FullSince.IsZero() {
				t.Errorf("%+v, full since %v", status, m.State().FullSince)
			}
		})
	})
}

// An operator may run lvextend, or grow the file below the pool.
// hangingGroup answers no question, as LVM while somebody holds its lock.
type hangingGroup struct{ fakeGrower }

func (*hangingGroup) Reserve(ctx context.Context) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestAGroupThatDoesNotAnswerKeepsNobodyFromLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newFakePool(10, 10)
		m, hook := newMonitor(pool, func(c *Config) { c.Grower = &hangingGroup{fakeGrower{pool: pool}} })
		during(t, m, func() {
			time.Sleep(time.Minute)
			if _, looks := pool.read(); looks < 3 {
				t.Errorf("it has looked %d times in a minute", looks)
			}
			if got := m.State().Extensions.Reserve; got != Unknown || count(hook, logrus.WarnLevel) != 1 {
				t.Errorf("reserve %d, logged %v", got, hook.AllEntries())
			}
		})
	})
}

func TestSpaceAddedByOthersIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newFakePool(100, 10)
		pool.change(func(s *thinpool.Status) { s.Mode = thinpool.ModeOutOfDataSpace })
		grower := &fakeGrower{pool: pool}
		m, _ := newMonitor(pool, func(c *Config) { c.Grower = grower })
		during(t, m, func() {
			time.Sleep(time.Minute)
			pool.mu.Lock()
			pool.devices = 2000
			pool.mu.Unlock()
			time.Sleep(2 * time.Second)
			status, _ := pool.read()
			if status.DataTotal != 2000 || status.Mode != thinpool.ModeReadWrite || status.ErrorIfNoSpace {
				t.Errorf("%+v", status)
			}
			if got := m.State(); !got.FullSince.IsZero() || got.Extensions.Failure != "" {
				t.Errorf("%+v", got)
			}
		})
	})
}

// Around the threshold the pool must not be reloaded at each look.
func TestChoiceDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newFakePool(81, 10)
		m, _ := newMonitor(pool, func(c *Config) { c.Grower = &fakeGrower{pool: pool} })
		during(t, m, func() {
			for n := range uint64(60) {
				pool.change(func(s *thinpool.Status) { s.DataUsed = 790 + 20*(n%2) })
				time.Sleep(10 * time.Second)
			}
			pool.mu.Lock()
			defer pool.mu.Unlock()
			if len(pool.chosen) != 1 {
				t.Errorf("chosen %v", pool.chosen)
			}
		})
	})
}

// fakeHost is the filesystem below loop devices.
type fakeHost struct {
	free     int64
	reserved int64
	fail     error
}

func (h *fakeHost) HostFree() (int64, error) { return h.free, h.fail }
func (h *fakeHost) TakeUp() error            { return h.fail }
func (h *fakeHost) ReserveMetadata(used int64) error {
	h.reserved = used
	return h.fail
}

func TestHostsFilesystemIsWatched(t *testing.T) {
	host := &fakeHost{free: 1 << 30}
	m, hook := newMonitor(newFakePool(10, 10), func(c *Config) { c.Host = host })
	m.look(t.Context())
	if got := m.State(); got.HostFree != 1<<30 || got.HostLevel != LevelLow || host.reserved != 100*metadataBlock {
		t.Errorf("%+v, %d bytes reserved", got, host.reserved)
	}
	before := len(hook.AllEntries())
	m.look(t.Context())
	if got := len(hook.AllEntries()); got != before {
		t.Errorf("the second look logged %q", hook.LastEntry().Message)
	}
	host.fail = errors.New("stale file handle")
	m.look(t.Context())
	if got := m.State().HostFree; got != Unknown {
		t.Errorf("free %d", got)
	}
}
