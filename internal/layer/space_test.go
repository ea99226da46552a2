package layer

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// startCalm starts a store that gives blocks back only after that long a calm.
func (w *world) startCalm(t *testing.T, calm time.Duration) *daemon {
	t.Helper()
	o := w.options()
	o.ReclaimAfter = calm
	return w.mustStartWith(t, o)
}

func TestBlocksFollowWhenABurstOfRemovalsIsOver(t *testing.T) {
	const calm = time.Second
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.startCalm(t, calm)
		create(t, d, "a", "")
		create(t, d, "b", "")
		must(t, d.Remove(t.Context(), "a"))
		time.Sleep(calm - time.Millisecond)
		must(t, d.Remove(t.Context(), "b"))
		time.Sleep(calm - time.Millisecond)
		synctest.Wait()
		if n := len(d.pending()); n != 2 {
			t.Errorf("blocks of %d layers are still held within the calm, want 2", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := len(d.pending()); n != 0 {
			t.Errorf("blocks of %d layers are held after it", n)
		}
		d.kill()
	})
}

func TestRemovalsWithoutEndDoNotPutOffTheBlocksForEver(t *testing.T) {
	const calm = time.Second
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.startCalm(t, calm)
		for range calmPatience*2 + 1 {
			create(t, d, "a", "")
			must(t, d.Remove(t.Context(), "a"))
			time.Sleep(calm / 2)
		}
		synctest.Wait()
		if n := len(d.pending()); n > 1 {
			t.Errorf("the blocks of %d layers are held after %d calms", n, calmPatience)
		}
		d.kill()
	})
}

func TestANewLayerWaitsForTheBlocksOfRemovedOnes(t *testing.T) {
	w := newWorld(t)
	d := w.startCalm(t, time.Hour)
	create(t, d, "large", "")
	w.mu.Lock()
	w.used = 950
	w.before = func(call string) error {
		if strings.HasPrefix(call, "delete") {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.used = 100
		}
		return nil
	}
	w.mu.Unlock()
	mustFail(t, d.Create(t.Context(), "new", "", 0), ErrPoolLow)
	must(t, d.Remove(t.Context(), "large"))
	create(t, d, "new", "")
}

// The work that is under way began without the last removal.
func TestANewLayerWaitsForARemovalDuringTheWorkOnAnother(t *testing.T) {
	w := newWorld(t)
	d := w.startCalm(t, time.Hour)
	create(t, d, "small", "")
	create(t, d, "large", "")
	arrived, release := make(chan struct{}), make(chan struct{})
	w.mu.Lock()
	w.used = 950
	w.before = func(call string) error {
		switch {
		case call == "delete 2":
			close(arrived)
			<-release
		case call == "delete 3":
			time.Sleep(50 * time.Millisecond) // time to look too early
			w.mu.Lock()
			defer w.mu.Unlock()
			w.used = 100
		}
		return nil
	}
	w.mu.Unlock()
	must(t, d.Remove(t.Context(), "small"))
	signal(d.reclaimer.urgent)
	<-arrived
	must(t, d.Remove(t.Context(), "large"))
	created := make(chan error)
	go func() { created <- d.Create(t.Context(), "new", "", 0) }()
	eventually(t, "the new layer waits", func() bool { return len(d.reclaimer.urgent) == 1 })
	close(release)
	must(t, <-created)
}

func TestANewLayerDoesNotWaitForWhatIsBusy(t *testing.T) {
	w := newWorld(t)
	d := w.startCalm(t, time.Hour)
	create(t, d, "large", "")
	w.failOn("delete", thinpool.ErrBusy)
	w.mu.Lock()
	w.used = 950
	w.mu.Unlock()
	must(t, d.Remove(t.Context(), "large"))
	begin := time.Now()
	mustFail(t, d.Create(t.Context(), "new", "", 0), ErrPoolLow)
	if took := time.Since(begin); took >= blocksWait {
		t.Errorf("it waited %v", took)
	}
}

func TestAnInspectionDoesNotSeeWhatIsOnlyPutOff(t *testing.T) {
	w := newWorld(t)
	d := w.startCalm(t, time.Hour)
	create(t, d, "a", "")
	must(t, d.Remove(t.Context(), "a"))
	must(t, d.Inspect(t.Context(), func(in Inspection) error {
		if n := len(in.Records.Tombstones); n != 0 {
			t.Errorf("%d removed layers still wait", n)
		}
		return nil
	}))
}
