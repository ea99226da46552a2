package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/thinpool"
)

const (
	// extendTimeout is below the 60 s for which the kernel lets writes to a
	// full pool wait.
	extendTimeout = 45 * time.Second
	// reserveTimeout bounds a question to LVM, which waits for whoever has its
	// lock. The pool is not looked at meanwhile.
	reserveTimeout = 10 * time.Second
	// extendSteps bounds how often the pool is extended in one round. Each step
	// adds a share of the pool's size, and a fast writer may need several.
	extendSteps = 8

	// Pauses after an extension that failed, doubled each time. While the pool
	// is full somebody is waiting for the disk to be added.
	firstPause    = 2 * time.Second
	longestPause  = time.Minute
	fullPause     = 5 * time.Second
	reserveMaxAge = 5 * time.Minute
)

// extension is what extending the pool has come to.
type extension struct {
	failing   bool // the last one did not give what was needed
	pause     time.Duration
	notBefore time.Time
	askedAt   time.Time // when Reserve was last asked
}

// extensionDue reports whether the pool is to be extended now.
func (m *Monitor) extensionDue(s thinpool.Status, now time.Time) bool {
	return !broken(s) && above(s, m.cfg.ExtendPercent) && !now.Before(m.extension.notBefore)
}

func (m *Monitor) extendIfDue(ctx context.Context) {
	if m.cfg.Grower == nil {
		return
	}
	status := m.State().Pool
	if m.extension.failing && !full(status) && !above(status, m.cfg.ExtendPercent-hysteresis) {
		m.recovered() // layers were removed, or someone else has extended the pool
	}
	for range extendSteps {
		if !m.extensionDue(m.State().Pool, time.Now()) || !m.extend(ctx) {
			break
		}
	}
}

// extend makes one step and reports whether the pool has become larger.
func (m *Monitor) extend(ctx context.Context) bool {
	before := m.State().Pool
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), extendTimeout)
	defer cancel()
	start := time.Now()
	err := m.cfg.Grower.Extend(bounded)
	m.extension.askedAt = time.Time{} // the reserve has changed
	if !m.observe(ctx) {
		return false
	}
	after := m.State().Pool
	grown := after.DataTotal > before.DataTotal || after.MetadataTotal > before.MetadataTotal
	if err == nil && !grown && full(after) {
		err = errors.New("nothing was added, though the pool is full" + m.nextStep())
	}
	switch {
	case grown:
		m.extended(before, after, time.Since(start))
	case err != nil:
		m.failed(err)
	default:
		m.hold(longestPause) // the threshold of whoever extends it is higher than ours
	}
	return grown
}

func (m *Monitor) extended(before, after thinpool.Status, took time.Duration) {
	m.recovered()
	m.update(func(s *State) { s.Extensions.Done++; s.Extensions.LastDone = time.Now() })
	m.log.WithField("op", "extend").Infof("the pool was extended in %v: data from %s to %s, metadata from %s to %s", took.Round(time.Millisecond),
		size(dataSpace(before).Total), size(dataSpace(after).Total), size(metadataSpace(before).Total), size(metadataSpace(after).Total))
}

func (m *Monitor) failed(err error) {
	m.extension.failing = true
	m.hold(longestPause)
	m.update(func(s *State) {
		s.Extensions.Failed++
		s.Extensions.LastFailed = time.Now()
		s.Extensions.Failure = err.Error()
	})
	level := logrus.WarnLevel
	if full(m.State().Pool) {
		level = logrus.ErrorLevel
	}
	m.complainAt(level, topicExtend, fmt.Errorf("extend the pool: %w", err))
}

// hold puts the next extension off.
func (m *Monitor) hold(longest time.Duration) {
	if full(m.State().Pool) {
		longest = fullPause
	}
	m.extension.pause = min(max(firstPause, 2*m.extension.pause), longest)
	m.extension.notBefore = time.Now().Add(m.extension.pause)
}

func (m *Monitor) recovered() {
	m.extension.failing, m.extension.pause, m.extension.notBefore = false, 0, time.Time{}
	m.complain(topicExtend, nil)
	m.update(func(s *State) { s.Extensions.Failure = "" })
}

// askReserve finds out how far the pool could still be extended, so that the
// operator hears of it before it can't be.
func (m *Monitor) askReserve(ctx context.Context) {
	if m.cfg.Grower == nil || time.Since(m.extension.askedAt) < reserveMaxAge {
		return
	}
	m.extension.askedAt = time.Now()
	bounded, cancel := context.WithTimeout(ctx, reserveTimeout)
	defer cancel()
	reserve, err := m.cfg.Grower.Reserve(bounded)
	if err != nil {
		reserve = Unknown
	}
	m.update(func(s *State) { s.Extensions.Reserve = reserve })
	s := m.State()
	if err == nil && lowReserve(reserve, s.Data.Total) {
		err = fmt.Errorf("only %s are left to extend the pool of %s%s", size(reserve), size(s.Data.Total), m.nextStep())
	}
	m.complain(topicReserveLeft, err)
}

// lowReserve reports that the pool can't grow by a fifth any more, which is
// what LVM's policy adds at a time where nothing else was chosen.
func lowReserve(reserve, total int64) bool { return reserve < total/5 }

// chooseForWrites decides between waiting and failing for writes that find no
// space.
func (m *Monitor) chooseForWrites(ctx context.Context) {
	status := m.State().Pool
	fail := m.failWrites()
	if !mayChoose(status, fail) {
		return
	}
	err := m.cfg.Pool.SetErrorIfNoSpace(ctx, fail)
	m.complain(topicChoice, err)
	if err != nil {
		return
	}
	m.update(func(s *State) { s.Pool.ErrorIfNoSpace = fail })
	word := "wait while it is extended"
	if fail {
		word = "fail at once"
	}
	m.log.WithField("op", "no space").Infof("writes that find the pool full will %s from now on", word)
}

// failWrites is what writes to a full pool shall do: waiting helps only where
// space is on its way.
func (m *Monitor) failWrites() bool {
	return !m.cfg.QueueWhenFull && (m.cfg.Grower == nil || m.extension.failing)
}

// mayChoose reports whether the pool is to be changed to fail. A full pool that
// fails writes does so because of its table or because the kernel's own timeout
// is over; to let them wait again would hold them for another one.
func mayChoose(s thinpool.Status, fail bool) bool {
	if s.ErrorIfNoSpace == fail || broken(s) || s.Mode == thinpool.ModeReadOnly {
		return false
	}
	return fail || s.Mode == thinpool.ModeReadWrite
}
