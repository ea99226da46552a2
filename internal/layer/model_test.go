package layer

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/dmthin/dmthin/internal/state"
)

// TestAnySequenceOfCallsAndCrashesKeepsAcknowledgedLayers compares the store
// with a plain map over random calls, each of which may fail or crash anywhere.
func TestAnySequenceOfCallsAndCrashesKeepsAcknowledgedLayers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		d := w.mustStart(t)
		model := map[string]string{}
		for step := range rapid.IntRange(1, 15).Draw(rt, "steps") {
			id := fmt.Sprintf("l%d", rapid.IntRange(0, 5).Draw(rt, "id"))
			crash := rapid.IntRange(0, 12).Draw(rt, "crash at")
			d.reclaimer.stop()
			unsure := false
			crashed := w.crashAt(crash, func() { unsure = oneCall(rt, d, model, id, step) })
			if crashed || unsure {
				d.kill()
				d = w.mustStart(t)
				forget(d, model, id)
				continue
			}
			d.reclaimer = startReclaimer(d.Store)
		}
		checkWhole(t, w, d, model)
		d.kill()
	})
}

// oneCall makes a random call and tracks it in the model. It reports whether
// the call failed in a way that leaves its layer's fate open.
func oneCall(rt *rapid.T, d *daemon, model map[string]string, id string, step int) (unsure bool) {
	switch rapid.IntRange(0, 2).Draw(rt, "call") {
	case 0:
		parent := rapid.SampledFrom(append(slices.Sorted(mapKeys(model)), "")).Draw(rt, "parent")
		if d.Create(d.ctx(), id, parent, 0) == nil {
			model[id] = model[parent]
		}
	case 1:
		if d.Remove(d.ctx(), id) == nil {
			delete(model, id)
		}
	default:
		if _, ok := model[id]; !ok {
			return false
		}
		content := fmt.Sprintf("+%d", step)
		if _, err := d.ApplyDiff(d.ctx(), id, strings.NewReader(content)); err != nil {
			return true
		}
		model[id] += content
	}
	return false
}

// forget takes from the model what a crash left open: the layer it hit.
func forget(d *daemon, model map[string]string, id string) {
	l, err := d.find(id)
	if err != nil || l.record.Stage != state.StageReady {
		delete(model, id)
		if err == nil {
			_ = d.Remove(d.ctx(), id)
		}
		return
	}
	if _, ok := model[id]; !ok {
		_ = d.Remove(d.ctx(), id)
	}
}

func TestAnErrorAtAnyStepLeavesAConsistentStore(t *testing.T) {
	for n := 1; n < 25; n++ {
		w := newWorld(t)
		d := w.mustStart(t)
		create(t, d, "a", "")
		var count atomic.Int64 // the reclaimer's steps count too
		w.before = func(string) error {
			if count.Add(1) == int64(n) {
				return unix.EIO
			}
			return nil
		}
		made := d.Create(t.Context(), "b", "a", 2<<30) == nil
		removed := d.Remove(t.Context(), "a") == nil
		w.failOn("", nil)
		d.kill()
		d = w.mustStart(t)
		want := map[string]string{}
		if made {
			want["b"] = ""
		}
		if !removed {
			want["a"] = ""
		}
		checkWhole(t, w, d, want)
		d.kill()
	}
}
