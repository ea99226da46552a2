package monitor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// outcome is what one look has led to.
type outcome struct {
	Done, Failed   int
	Fails          bool // writes to a full pool fail at once
	Data, Metadata Level
	Broken         bool
}

func TestOneLookDecides(t *testing.T) {
	outOfData := func(s *thinpool.Status) { s.Mode, s.DataUsed = thinpool.ModeOutOfDataSpace, s.DataTotal }
	for name, tt := range map[string]struct {
		data, metadata uint64 // percent
		change         func(*thinpool.Status)
		grower         bool
		left           uint64 // blocks
		nothing, queue bool
		want           outcome
	}{
		"plenty of space":                     {data: 10, metadata: 10, grower: true, left: 500},
		"at the threshold, as LVM has it":     {data: 80, metadata: 10, grower: true, left: 500, want: outcome{Data: LevelLow}},
		"data above it":                       {data: 81, metadata: 10, grower: true, left: 500, want: outcome{Done: 1}},
		"metadata above it":                   {data: 10, metadata: 90, grower: true, left: 500, want: outcome{Done: 1}},
		"one step is not enough":              {data: 99, metadata: 10, grower: true, left: 500, want: outcome{Done: 2}},
		"group full before the pool":          {data: 85, metadata: 10, grower: true, want: outcome{Failed: 1, Fails: true, Data: LevelLow}},
		"group full, queueing chosen":         {data: 85, metadata: 10, grower: true, queue: true, want: outcome{Failed: 1, Data: LevelLow}},
		"pool full, room to grow":             {metadata: 10, change: outOfData, grower: true, left: 500, want: outcome{Done: 2}},
		"pool full, group full":               {metadata: 10, change: outOfData, grower: true, want: outcome{Failed: 1, Fails: true, Data: LevelFull}},
		"pool full, LVM sees nothing to do":   {metadata: 10, change: outOfData, grower: true, nothing: true, want: outcome{Failed: 1, Fails: true, Data: LevelFull}},
		"LVM's threshold is higher":           {data: 85, metadata: 10, grower: true, nothing: true, want: outcome{Data: LevelLow}},
		"nobody to extend it":                 {data: 10, metadata: 10, want: outcome{Fails: true}},
		"nobody to extend it, queueing":       {data: 10, metadata: 10, queue: true},
		"pool full, nobody, queueing":         {metadata: 10, change: outOfData, queue: true, want: outcome{Data: LevelFull}},
		"full by the numbers, mode still rw":  {data: 100, metadata: 10, want: outcome{Fails: true, Data: LevelFull}},
		"kernel's timeout over, queueing":     {metadata: 10, change: func(s *thinpool.Status) { outOfData(s); s.ErrorIfNoSpace = true }, queue: true, want: outcome{Fails: true, Data: LevelFull}},
		"writes fail by the table, can grow":  {data: 10, metadata: 10, change: func(s *thinpool.Status) { s.ErrorIfNoSpace = true }, grower: true, left: 500},
		"metadata full":                       {data: 10, metadata: 100, change: func(s *thinpool.Status) { s.Mode = thinpool.ModeReadOnly }, grower: true, want: outcome{Failed: 1, Metadata: LevelFull}},
		"metadata full, room to grow":         {data: 10, metadata: 100, grower: true, left: 500, want: outcome{Done: 2}},
		"metadata needs a check":              {data: 90, metadata: 100, change: func(s *thinpool.Status) { s.Mode, s.NeedsCheck = thinpool.ModeReadOnly, true }, grower: true, left: 500, want: outcome{Broken: true, Data: LevelLow, Metadata: LevelCritical}},
		"read-only for another reason":        {data: 90, metadata: 10, change: func(s *thinpool.Status) { s.Mode = thinpool.ModeReadOnly }, grower: true, left: 500, want: outcome{Broken: true, Data: LevelLow}},
		"the pool has failed":                 {change: func(s *thinpool.Status) { *s = thinpool.Status{Mode: thinpool.ModeFailed, BlockSize: block} }, grower: true, left: 500, want: outcome{Broken: true}},
		"read-only and nobody to extend it":   {data: 10, metadata: 10, change: func(s *thinpool.Status) { s.Mode = thinpool.ModeReadOnly }, want: outcome{Broken: true}},
		"full pool reloaded by LVM to wait":   {metadata: 10, change: outOfData, grower: true, nothing: true, queue: true, want: outcome{Failed: 1, Data: LevelFull}},
		"metadata critical, nobody":           {data: 10, metadata: 96, want: outcome{Fails: true, Metadata: LevelCritical}},
		"room for one step of the two needed": {data: 99, metadata: 10, grower: true, left: 200, want: outcome{Done: 1, Failed: 1, Fails: true, Data: LevelLow}},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newFakePool(tt.data, tt.metadata)
			if tt.change != nil {
				pool.change(tt.change)
			}
			m, _ := newMonitor(pool, func(c *Config) {
				c.QueueWhenFull = tt.queue
				if tt.grower {
					c.Grower = &fakeGrower{pool: pool, left: tt.left, nothing: tt.nothing}
				}
			})
			m.look(t.Context())
			s := m.State()
			status, _ := pool.read()
			got := outcome{s.Extensions.Done, s.Extensions.Failed, status.ErrorIfNoSpace, s.Data.Level, s.Metadata.Level, s.Problem != ""}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestStateTellsWhatWasFound(t *testing.T) {
	pool := newFakePool(85, 20)
	grower := &fakeGrower{pool: pool, left: 1000}
	m, _ := newMonitor(pool, func(c *Config) { c.Grower = grower })
	if got := m.State(); !got.CheckedAt.IsZero() || got.HostFree != Unknown || got.Extensions.Reserve != Unknown || !got.Extensions.Possible {
		t.Errorf("before the first look: %+v", got)
	}
	m.look(t.Context())
	want := State{
		Data:       Space{Used: 850 * block, Total: 1200 * block},
		Metadata:   Space{Used: 200 * metadataBlock, Total: 1200 * metadataBlock},
		HostFree:   Unknown,
		Extensions: Extensions{Possible: true, Done: 1, Reserve: 800 * block},
	}
	got := m.State()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(State{}, "CheckedAt", "Pool"), cmpopts.IgnoreFields(Extensions{}, "LastDone")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if time.Since(got.Extensions.LastDone) > time.Minute || time.Since(got.CheckedAt) > time.Minute {
		t.Errorf("times: %+v", got)
	}
}

func TestEachProblemIsLoggedOnceWithTheNextStep(t *testing.T) {
	pool := newFakePool(85, 10)
	m, hook := newMonitor(pool, func(c *Config) { c.Grower = &fakeGrower{pool: pool} })
	for range 5 {
		m.look(t.Context())
	}
	var lines []string
	for _, e := range hook.AllEntries() {
		if e.Data["pool"] != "fake" {
			t.Errorf("no pool in %v", e.Data)
		}
		if e.Level <= logrus.WarnLevel {
			lines = append(lines, e.Message)
			if strings.Count(e.Message, "add a disk") != 1 || strings.Contains(e.Message, "\n") {
				t.Errorf("%q", e.Message)
			}
		}
	}
	// Low space, the empty group, and the extension that failed.
	if len(lines) != 3 || !strings.Contains(strings.Join(lines, "\n"), errGroupFull.Error()) {
		t.Errorf("logged %q", lines)
	}
}

func TestProblemsOfThePoolAreReportedOnceAndTheirEnd(t *testing.T) {
	for name, damage := range map[string]func(*thinpool.Status){
		"needs_check": func(s *thinpool.Status) { s.NeedsCheck, s.Mode = true, thinpool.ModeReadOnly },
		"read-only":   func(s *thinpool.Status) { s.Mode = thinpool.ModeReadOnly },
		"failed":      func(s *thinpool.Status) { s.Mode = thinpool.ModeFailed },
	} {
		pool := newFakePool(10, 10)
		healthy, _ := pool.read()
		m, hook := newMonitor(pool, func(c *Config) { c.QueueWhenFull = true })
		pool.change(damage)
		m.look(t.Context())
		m.look(t.Context())
		if got := count(hook, logrus.ErrorLevel); got != 1 || m.State().Problem == "" {
			t.Errorf("%s: %d errors, %q", name, got, m.State().Problem)
		}
		pool.change(func(s *thinpool.Status) { *s = healthy })
		m.look(t.Context())
		if m.State().Problem != "" || hook.LastEntry().Message != "the pool can be changed again" {
			t.Errorf("%s: %q, %q", name, m.State().Problem, hook.LastEntry().Message)
		}
	}
}

func TestPoolThatIsGoneIsAProblemNotAPanic(t *testing.T) {
	pool := newFakePool(10, 10)
	pool.fail = errors.New("no such device")
	m, hook := newMonitor(pool, nil)
	m.look(t.Context())
	m.look(t.Context())
	if got := count(hook, logrus.WarnLevel); got != 1 || m.State().Problem != "no such device" {
		t.Errorf("%d lines, %q", got, m.State().Problem)
	}
}
