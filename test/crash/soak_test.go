//go:build soak

package crash

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// soakClients work at once.
const soakClients = 32

// rounds is the least number of stretches of work between two looks.
const rounds = 6

// TestSoak has many clients at work for DMTHIN_SOAK, has the daemon die now and
// then, and finds nothing lost, nothing left behind and nothing slower.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(variable("DMTHIN_SOAK", "3m"))
	requireNoError(t, err)
	first := seed(t)
	disk, err := blankDisk(t.Context(), "soaked")
	requireNoError(t, err)
	defer disk.discard()
	onDisk(t, disk, func() {
		s := newSoak(first)
		d := started(t)
		defer func() { sweep(t, d) }()
		before := look(t, d)
		d = s.run(t, d, length)
		s.removeAll(t, d)
		after := look(t, d)
		figure(t, "clients", "%d", soakClients)
		figure(t, "worked", "%s", length)
		figure(t, "calls answered", "%d", s.answered)
		figure(t, "daemons killed", "%d", s.kills)
		requireNothingLeft(t, before, after)
		requireNoSlowDown(t, s.first, s.last)
		requireNoError(t, d.stop())
	})
}

// soak is the work and what is known of it.
type soak struct {
	r       *recorder
	clients []*client
	random  *rand.Rand

	first, last     *spent
	answered, kills int
}

func newSoak(seed uint64) *soak {
	s := &soak{r: recorderAfter(nil), random: rand.New(rand.NewPCG(seed, 7))}
	for n := range soakClients {
		s.clients = append(s.clients, newClient(seed, n))
	}
	return s
}

// run has the daemon die half of the time, in rounds. Before and after that it
// works on, for a while that counts for speed; a round that a kill ends knows
// nothing of the calls that would have taken longest. It returns the daemon
// that lives.
func (s *soak) run(t *testing.T, d *daemon, length time.Duration) *daemon {
	t.Helper()
	quarter := length / 4
	s.round(t, d, quarter/2, false) // until there are layers
	s.first = s.round(t, d, quarter/2, false)
	mean := min(2*quarter/rounds, time.Minute)
	for left := 2 * quarter; left > 0; {
		stretch := min(mean/2+time.Duration(s.random.Int64N(int64(mean))), left)
		left -= stretch
		s.round(t, d, stretch, true)
		d = started(t)
		s.compare(t, d)
	}
	s.round(t, d, quarter/2, false)
	young := daemonUse(t, d)
	s.last = s.round(t, d, quarter/2, false)
	requireNoGrowth(t, young, daemonUse(t, d))
	s.compare(t, d)
	return d
}

// round has all clients work, and the daemon die at its end if it is to. It
// returns how long calls took.
func (s *soak) round(t *testing.T, d *daemon, length time.Duration, kill bool) *spent {
	t.Helper()
	over := make(chan struct{})
	killed := make(chan error, 1)
	go func() {
		time.Sleep(length)
		close(over)
		if kill {
			killed <- d.end(syscall.SIGKILL)
			return
		}
		killed <- nil
	}()
	took := &spent{began: time.Now()}
	failures := make(chan error, len(s.clients))
	for _, c := range s.clients {
		go func() { failures <- c.work(d, s.r, took, over) }()
	}
	var errs []error
	for range s.clients {
		errs = append(errs, <-failures)
	}
	requireNoError(t, errors.Join(append(errs, <-killed)...))
	took.ended = time.Now()
	s.answered += len(took.calls)
	if kill {
		s.kills++
	}
	return took
}

// compare looks at all layers, and removes those whose last call had no answer.
func (s *soak) compare(t *testing.T, d *daemon) {
	t.Helper()
	wrong := d.verify(t.Context(), s.r.operations, s.r.progress())
	for _, line := range wrong {
		t.Error(line)
	}
	if len(wrong) > 0 {
		t.FailNow()
	}
	for _, c := range s.clients {
		requireNoError(t, c.settle(d, s.r))
	}
	s.r.forgetRemoved()
}

func (s *soak) removeAll(t *testing.T, d *daemon) {
	t.Helper()
	for _, c := range s.clients {
		requireNoError(t, c.removeAll(d, s.r))
	}
	for _, line := range d.verify(t.Context(), s.r.operations, s.r.progress()) {
		t.Error(line)
	}
}
