package takeover

import (
	"errors"
	"fmt"
	"testing"
)

var errCrash = errors.New("crash")

// crashAt ends an operation before its step number n; ok is false when it has
// no such step.
func (h *dockerHost) crashAt(t *testing.T, o operation, n int) (step string, ok bool) {
	t.Helper()
	left := n
	_, err := h.try(t, o, nil, func(s string) error {
		if left == 0 {
			step = s
			return errCrash
		}
		left--
		return nil
	})
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatalf("%s, before its crash: %v", o.name, err)
	}
	return step, errors.Is(err, errCrash)
}

// TestACrashAtAnyStep runs each operation into a crash at each step; then the
// same one ends in its whole state, and undo in the one before.
func TestACrashAtAnyStep(t *testing.T) {
	adopt, undo, release := operations(t)
	adopted := newDockerHost(t)
	asDocker := adopted.files(t)
	adopted.do(t, adopt)
	asDMThin := without(adopted.files(t), "docker/dmthin-takeover")
	same := func(t *testing.T, h *dockerHost, what string, want map[string]string) {
		t.Helper()
		requireSame(t, what, want, without(h.files(t), "docker/dmthin-takeover"))
	}
	for _, c := range []struct {
		prepare []operation
		crash   operation
		then    operation
		want    map[string]string
	}{
		{nil, adopt, adopt, asDMThin},
		{nil, adopt, undo, asDocker},
		{[]operation{adopt}, undo, undo, asDocker},
		{[]operation{adopt}, release, release, asDocker},
	} {
		t.Run(c.crash.name+" then "+c.then.name, func(t *testing.T) {
			for n := 0; ; n++ {
				h := newDockerHost(t)
				for _, o := range c.prepare {
					h.do(t, o)
				}
				step, crashed := h.crashAt(t, c.crash, n)
				if !crashed {
					if n < 6 {
						t.Errorf("only %d steps", n)
					}
					return
				}
				what := fmt.Sprintf("%s after a crash before %q", c.then.name, step)
				if step == "begin" && c.crash.name == "adopt" && c.then.name == "undo" {
					same(t, h, what, asDocker) // nothing has begun
					continue
				}
				h.do(t, c.then)
				same(t, h, what, c.want)
			}
		})
	}
}

func TestDockerdDoesNotStartOnAHalf(t *testing.T) {
	adopt, undo, _ := operations(t)
	for n := 2; ; n++ { // step 0 is the backup, 1 the guard
		h := newDockerHost(t)
		step, crashed := h.crashAt(t, adopt, n)
		if !crashed {
			break
		}
		if s := h.settings(t); step != "end" && (s.StorageDriver != "unfinished-run-dmthin-adopt" || !s.Debug) {
			t.Errorf("crash before %q: daemon.json is %+v", step, s)
		}
		h.do(t, undo)
		if s := h.settings(t); s.StorageDriver != "devicemapper" {
			t.Errorf("undone after a crash before %q: daemon.json is %+v", step, s)
		}
	}
}

func TestACrashWhileBackupsAreMadeLeavesNothing(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, _ := operations(t)
	before := h.files(t)
	write(t, journalDir(h.root)+".new/before/daemon.json", "half")
	h.do(t, adopt)
	h.do(t, undo)
	requireSame(t, "files", before, h.files(t))
}

func TestAnotherOperationWaitsForTheOneThatWasCut(t *testing.T) {
	adopt, undo, release := operations(t)
	h := newDockerHost(t)
	h.crashAt(t, adopt, 3)
	if _, err := h.try(t, release, nil, nil); !errors.Is(err, ErrUnfinished) {
		t.Errorf("release on half an adoption: %v", err)
	}
	if err := h.begin(t).Commit(); !errors.Is(err, ErrUnfinished) {
		t.Errorf("commit of half an adoption: %v", err)
	}
	h = newDockerHost(t)
	h.do(t, adopt)
	h.crashAt(t, undo, 3)
	if _, err := h.try(t, adopt, nil, nil); !errors.Is(err, ErrUnfinished) {
		t.Errorf("adopt on half an undo: %v", err)
	}
	h.do(t, release)
	h.do(t, adopt)
}
