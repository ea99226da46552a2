package layer

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/diff"
)

// compares reports whether DiffSize of layer c looks at it.
func (w *world) compares(t *testing.T, d *daemon) bool {
	t.Helper()
	w.took()
	size, err := d.DiffSize(t.Context(), "c", "p")
	must(t, err)
	if size != 42 {
		t.Errorf("size %d", size)
	}
	return slices.ContainsFunc(w.took(), func(call string) bool {
		return strings.HasPrefix(call, "changes") || strings.HasPrefix(call, "mount") || strings.HasPrefix(call, "activate")
	})
}

func TestTheSizeOfALayerThatCannotHaveChangedIsKnown(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	create(t, d, "c", "p")
	if !w.compares(t, d) {
		t.Fatal("the size was made up")
	}
	if w.compares(t, d) {
		t.Error("the layer was looked at again though nobody can have written to it")
	}
}

func TestTheSizeOfALayerThatCanHaveChangedIsFoundAnew(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, w *world, d *daemon){
		"it was written":              func(t *testing.T, _ *world, d *daemon) { get(t, d, "c"); put(t, d, "c") },
		"it is being written":         func(t *testing.T, w *world, d *daemon) { get(t, d, "c"); w.compares(t, d) },
		"its parent was written":      func(t *testing.T, _ *world, d *daemon) { get(t, d, "p"); put(t, d, "p") },
		"its parent is being written": func(t *testing.T, w *world, d *daemon) { get(t, d, "p"); w.compares(t, d) },
		"it was made anew": func(t *testing.T, _ *world, d *daemon) {
			must(t, d.Remove(t.Context(), "c"))
			create(t, d, "c", "p")
		},
		"its parent was made anew": func(t *testing.T, _ *world, d *daemon) {
			must(t, d.Remove(t.Context(), "p"))
			create(t, d, "p", "")
		},
		"somebody else has it open": func(t *testing.T, w *world, d *daemon) { leak(t, w, d, "c") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			create(t, d, "p", "")
			create(t, d, "c", "p")
			w.compares(t, d)
			write(t, w, d)
			if !w.compares(t, d) {
				t.Error("the layer was not compared")
			}
		})
	}
}

// leak leaves a copy of a layer's mount in another mount namespace.
func leak(t *testing.T, w *world, d *daemon, id string) {
	t.Helper()
	get(t, d, id)
	w.held[d.names.device(id)] = true
	put(t, d, id)
	w.compares(t, d)
}

// crossedDiffer lets somebody write to a layer while it is compared.
type crossedDiffer struct {
	*world
	write func()
}

func (c crossedDiffer) Changes(ctx context.Context, l, parent Side, still Still) ([]diff.Change, error) {
	c.write()
	return c.world.Changes(ctx, l, parent, still)
}

func TestASizeFoundWhileTheLayerIsWrittenIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	create(t, d, "c", "p")
	d.sys.Differ = crossedDiffer{w, func() { get(t, d, "c"); put(t, d, "c") }}
	w.compares(t, d)
	d.sys.Differ = w
	if !w.compares(t, d) {
		t.Error("a size was remembered though the layer changed while it was found")
	}
}
