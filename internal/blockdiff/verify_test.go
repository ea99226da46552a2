package blockdiff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/inodescan"
)

// twoLayers are folders that differ in one file.
func twoLayers(t *testing.T) (layer, parent Layer, want []diff.Change) {
	t.Helper()
	layer, parent = Layer{Dir: t.TempDir(), Device: 2}, Layer{Dir: t.TempDir(), Device: 1}
	if err := os.WriteFile(filepath.Join(layer.Dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return layer, parent, []diff.Change{{Path: "/file", Kind: diff.Added}}
}

// looks is a scan that finds what look returns.
func looks(look func() (inodescan.Result, error)) scan {
	return func(context.Context, uint32, uint32) (inodescan.Result, error) { return look() }
}

// compareWith compares two layers by looks of its own, at what is committed and
// at what is held.
func compareWith(t *testing.T, cfg Config, still Still, committed, held func() (inodescan.Result, error)) (outcome Outcome, log string) {
	t.Helper()
	layer, parent, want := twoLayers(t)
	var text bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&text)
	logger.SetLevel(logrus.DebugLevel)
	cfg.Log, cfg.Observe = logrus.NewEntry(logger), func(o Outcome) { outcome = o }
	if cfg.Metadata == nil {
		cfg.Metadata = alone{}
	}
	d := newDiffer(cfg, looks(committed), looks(held), 1)
	got, err := d.Changes(t.Context(), layer, parent, still)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	return outcome, text.String()
}

// alone is the pool's metadata, which nobody else reads.
type alone struct{ Metadata }

func (alone) Turn(context.Context) (done func(), err error) { return func() {}, nil }

// occupied is the pool's metadata, which somebody reads for long.
type occupied struct{ Metadata }

func (occupied) Turn(ctx context.Context) (done func(), err error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("the wait has no bound")
	}
	return nil, context.DeadlineExceeded
}

func nothing() (inodescan.Result, error) { return inodescan.Result{Used: 10}, nil }

func moved() (inodescan.Result, error) { return inodescan.Result{}, errMoved }

func TestWhoHoldsTheMetadataIsNotWaitedForUnlessTheyChange(t *testing.T) {
	if outcome, log := compareWith(t, Config{Metadata: occupied{}, Verify: 1}, heldStill, nothing, moved); outcome.Reason != Verified {
		t.Errorf("got %+v, log %s", outcome, log)
	}
	if outcome, log := compareWith(t, Config{Verify: 1}, heldStill, moved, nothing); outcome.Reason != Verified {
		t.Errorf("after a change: got %+v, log %s", outcome, log)
	}
}

// A container that writes to a layer hangs while that is held still.
func TestNoLayerIsHeldStillWhileTheMetadataIsWaitedFor(t *testing.T) {
	times := 0
	still := func(_ context.Context, look func() error) error {
		times++
		return look()
	}
	outcome, log := compareWith(t, Config{Metadata: occupied{}}, still, moved, nothing)
	if outcome != (Outcome{Walk, Busy}) || !strings.Contains(log, context.DeadlineExceeded.Error()) {
		t.Errorf("got %+v, log %s", outcome, log)
	}
	if times != 1 {
		t.Errorf("the layers were held still %d times, want once, before the wait", times)
	}
}

func heldStill(_ context.Context, look func() error) error { return look() }

func TestAMismatchIsLoggedAndTheWalksAnswerUsed(t *testing.T) {
	layer, parent, want := twoLayers(t)
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	var outcome Outcome
	d := New(Config{Metadata: alone{}, Log: logrus.NewEntry(logger), Observe: func(o Outcome) { outcome = o }})
	got, err := d.verified(t.Context(), layer, parent, []diff.Change{{Path: "/other", Kind: diff.Deleted}}, Blocks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if outcome != (Outcome{Walk, Mismatch}) {
		t.Errorf("got %+v", outcome)
	}
	for _, want := range []string{"level=error", "A /file", "D /other"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q: %s", want, &log)
		}
	}
}

func TestAShareOfTheComparisonsIsVerified(t *testing.T) {
	for share, want := range map[float64]Reason{0: "", 1: Verified} {
		outcome, _ := compareWith(t, Config{Verify: share}, heldStill, nothing, moved)
		if outcome != (Outcome{Blocks, want}) {
			t.Errorf("share %v: got %+v", share, outcome)
		}
	}
}

func TestADoubtFallsBackToTheWalk(t *testing.T) {
	unheld := errors.New("no")
	for _, c := range []struct {
		want  Reason
		still Still
		found inodescan.Result
		err   error
	}{
		{Busy, func(context.Context, func() error) error { return unheld }, inodescan.Result{}, nil},
		{Many, heldStill, inodescan.Result{Inodes: make([]inodescan.Inode, 6), Used: 10}, nil},
		{Unclean, heldStill, inodescan.Result{}, fmt.Errorf("x: %w", inodescan.ErrUnclean)},
		{Unrelated, heldStill, inodescan.Result{}, inodescan.ErrUnrelated},
		{Failed, heldStill, inodescan.Result{}, unheld},
		{Failed, func(_ context.Context, look func() error) error { return errors.Join(look(), unheld) }, inodescan.Result{Used: 10}, nil},
	} {
		outcome, log := compareWith(t, Config{}, c.still, func() (inodescan.Result, error) { return c.found, c.err }, moved)
		if outcome != (Outcome{Walk, c.want}) {
			t.Errorf("got %+v, want %s", outcome, c.want)
		}
		if !strings.Contains(log, "level=debug") {
			t.Errorf("%s was not logged: %s", c.want, log)
		}
	}
}
