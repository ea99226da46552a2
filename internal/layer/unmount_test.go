package layer

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestApplyDiffDoesNotWaitForTheUnmountAndTheNextLayerDoes(t *testing.T) {
	w := newWorld(t)
	d, _ := idleLayerOf(t, w, time.Hour) // and is not unmounted before the one that was filled
	create(t, d, "filled", "")
	slow := make(chan struct{})
	w.before = func(call string) error {
		if call == "unmount filled" {
			<-slow
		}
		if strings.HasPrefix(call, "create_snap") {
			select {
			case <-slow:
			default:
				t.Error("a snapshot was made of a layer that is still mounted")
			}
		}
		return nil
	}
	if _, err := d.ApplyDiff(t.Context(), "filled", strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	made := make(chan error)
	go func() { made <- d.Create(t.Context(), "child", "filled", 0) }()
	select {
	case err := <-made:
		t.Errorf("the child was made already: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(slow)
	must(t, <-made)
	l, err := d.find("filled")
	must(t, err)
	if w.mountedAt(d.mountPoint(l)) {
		t.Error("the layer that was filled stays mounted")
	}
}

// Its one Put is followed by the making of a child.
func TestTheLayerBetweenImageAndContainerIsUnmountedAtItsPut(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	create(t, d, "c-init", "")
	get(t, d, "c-init")
	put(t, d, "c-init")
	if len(w.mounts) > 0 {
		t.Errorf("mounted: %v", w.mounts)
	}
}

// docker diff and commit compare a container with it, often more than once.
func TestTheLayerBetweenImageAndContainerRestsAfterAComparison(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	create(t, d, "c-init", "")
	create(t, d, "c", "c-init")
	must(t, d.Diff(t.Context(), "c", "c-init", io.Discard))
	l, err := d.find("c-init")
	must(t, err)
	if !w.mountedAt(d.mountPoint(l)) {
		t.Error("the next comparison has to mount it again")
	}
}
