package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// defaultInterval is how often the monitor looks without an event. The
	// kernel raises one at the low water mark and when the pool is full; this
	// is for what raises none, such as a file grown by hand.
	defaultInterval = 10 * time.Second
	// shortFactor divides the interval while space is short.
	shortFactor = 10
	// eventGap bounds how often events make the monitor look: each layer that
	// is made or removed raises some.
	eventGap = 100 * time.Millisecond
)

// Config says what to watch and what to do.
type Config struct {
	Pool   Pool
	Grower Grower // nil: nobody extends the pool
	Host   Host   // nil: the pool lies on no files
	Events Events // nil: the monitor looks at each interval only

	// ExtendPercent is how much of data or metadata may be used before the
	// Grower is called, 1 to 99.
	ExtendPercent int
	// QueueWhenFull leaves it at what the kernel does with writes to a full
	// pool: they wait, for no_space_timeout. Otherwise they fail at once where
	// the pool can't be extended.
	QueueWhenFull bool
	// HowToGrow ends a warning: what the operator can do about a full pool.
	HowToGrow string

	Interval time.Duration // 0: 10 s
	Log      *logrus.Entry
}

// Monitor watches one pool. Make it with New.
type Monitor struct {
	cfg Config
	log *logrus.Entry

	mu    sync.Mutex // protects state; never held while waiting
	state State

	// What follows belongs to Run.
	extension extension
	said      map[topic]string
	lastLook  time.Time
}

// New returns a monitor that has not looked yet.
func New(cfg Config) *Monitor {
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	m := &Monitor{cfg: cfg, log: cfg.Log.WithField("pool", cfg.Pool.Name()), said: map[topic]string{}}
	m.state.HostFree = Unknown
	m.state.Extensions = Extensions{Possible: cfg.Grower != nil, Reserve: Unknown}
	return m
}

// State returns what was found at the last look. It never waits.
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

func (m *Monitor) update(change func(*State)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.state)
}

// Run watches until ctx ends. Call it once. An extension under way is finished
// first: LVM must not be killed in the middle of it.
func (m *Monitor) Run(ctx context.Context) {
	for ctx.Err() == nil {
		m.lastLook = time.Now()
		m.look(ctx)
		m.wait(ctx)
	}
}

// look does one round.
func (m *Monitor) look(ctx context.Context) {
	m.takeUp(ctx)
	if !m.observe(ctx) {
		return
	}
	m.extendIfDue(ctx)
	m.chooseForWrites(ctx)
	m.askReserve(ctx) // last: writers may be waiting for the choice
}

// takeUp makes space usable that others have added below the pool.
func (m *Monitor) takeUp(ctx context.Context) {
	if m.cfg.Host != nil {
		m.complain(topicHost, m.cfg.Host.TakeUp())
	}
	_, err := m.cfg.Pool.Grow(ctx)
	m.complain(topicGrow, err)
}

// observe reads the pool and reports whether there is something to decide on.
func (m *Monitor) observe(ctx context.Context) bool {
	status, err := m.cfg.Pool.Status(ctx)
	if ctx.Err() != nil {
		return false
	}
	m.complain(topicStatus, err)
	if err != nil {
		m.update(func(s *State) { s.CheckedAt, s.Problem = time.Now(), err.Error() })
		return false
	}
	before := m.State()
	after := before.next(status, time.Now())
	if m.cfg.Host != nil {
		m.lookAtHost(&after)
	}
	m.update(func(s *State) { *s = after })
	m.report(before, after)
	return true
}

func (m *Monitor) lookAtHost(s *State) {
	m.complain(topicReserve, m.cfg.Host.ReserveMetadata(s.Metadata.Used))
	free, err := m.cfg.Host.HostFree()
	m.complain(topicHost, err)
	if err != nil {
		free = Unknown
	}
	s.HostFree = free
	if free != Unknown {
		s.HostLevel = hostLevel(free, s.HostLevel)
	}
}

// wait returns when there is reason to look again.
func (m *Monitor) wait(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, m.interval())
	defer cancel()
	if m.cfg.Events != nil {
		err := m.cfg.Events.Wait(bounded)
		if err == nil {
			sleep(bounded, time.Until(m.lastLook.Add(eventGap)))
			return
		}
		if bounded.Err() == nil {
			m.log.WithError(err).Warnf("the pool's events can't be seen any more; looking every %v instead", m.cfg.Interval)
			m.cfg.Events = nil
		}
	}
	<-bounded.Done()
}

// interval is shorter while the pool may be about to get full, or is.
func (m *Monitor) interval() time.Duration {
	s := m.State()
	if max(s.Data.Level, s.Metadata.Level, s.HostLevel) > LevelOK {
		return m.cfg.Interval / shortFactor
	}
	return m.cfg.Interval
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
