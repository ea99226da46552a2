package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func newTestBench(t *testing.T, limit time.Duration) *bench {
	t.Helper()
	return &bench{
		scale: Scale{Limit: limit}, began: time.Now(),
		results:  &Results{path: filepath.Join(t.TempDir(), resultsFile)},
		subjects: []*subject{{name: "a"}, {name: "b"}},
	}
}

// logged is a workload that notes each of its turns.
func logged(name string, rounds int, log *[]string) workload {
	return workload{name: name, rounds: rounds, run: func(_ context.Context, _ *bench, s *subject) error {
		*log = append(*log, name+" "+s.name)
		return nil
	}}
}

func TestALimitOfTimeCostsRepetitionsAndNoFigures(t *testing.T) {
	for limit, want := range map[time.Duration][]string{
		0:         {"cheap a", "cheap b", "slow a", "slow b"},
		time.Hour: {"cheap a", "cheap b", "slow a", "slow b", "cheap b", "cheap a"},
	} {
		var log []string
		b := newTestBench(t, limit)
		if err := b.rounds(t.Context(), []workload{logged("cheap", 2, &log), logged("slow", 1, &log)}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(log, want) {
			t.Errorf("limit %v: %q, want %q", limit, log, want)
		}
	}
}

func TestAFailureIsNotedAndTheRestMeasured(t *testing.T) {
	b := newTestBench(t, time.Hour)
	w := workload{name: "w", rounds: 1, run: func(_ context.Context, b *bench, s *subject) error {
		if s.name == "a" {
			return errors.New("broken")
		}
		b.record(figCreate, 1)
		return nil
	}}
	if err := b.rounds(t.Context(), []workload{w}); err != nil {
		t.Fatal(err)
	}
	r, err := readResults(b.results.path)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.samples(figCreate, "b")) != 1 || !slices.Equal(r.Failures, []string{"w, a: broken"}) {
		t.Errorf("results %+v", r)
	}
}

func TestCallsAreAskedForAsLongAsTheWorkTakes(t *testing.T) {
	well := func() error { return nil }
	times, err := askDuring([]func() error{well, well}, func() error { time.Sleep(100 * time.Millisecond); return nil })
	if err != nil || len(times[0]) < 3 || len(times[1]) != len(times[0]) {
		t.Errorf("asked %d and %d times, %v", len(times[0]), len(times[1]), err)
	}
	broken := errors.New("broken")
	if _, err := askDuring([]func() error{well}, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error of the work is %v", err)
	}
	if _, err := askDuring([]func() error{well, func() error { return broken }}, func() error { time.Sleep(20 * time.Millisecond); return nil }); !errors.Is(err, broken) {
		t.Errorf("error of a call is %v", err)
	}
}
