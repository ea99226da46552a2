package layer

import (
	"testing"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// A layer that shares all its blocks frees none, and the pool is as full as
// before. The next removal may be the one that helps.
func TestLayersCanBeRemovedFromAFullPool(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "writer", "")
	create(t, d, "shares", "writer")
	w.setMode(thinpool.ModeOutOfDataSpace)
	for _, id := range []string{"shares", "writer"} {
		must(t, d.Remove(t.Context(), id))
		d.settled(t)
	}
	mustFail(t, d.Create(t.Context(), "new", "", 0), thinpool.ErrOutOfDataSpace)
	w.setMode(thinpool.ModeReadWrite)
	create(t, d, "new", "")
}

func TestAStartOnAFullPoolServesItsLayers(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.kill()
	w.setMode(thinpool.ModeOutOfDataSpace)
	d = w.mustStart(t)
	get(t, d, "a")
	mustFail(t, d.Ready(t.Context()), thinpool.ErrOutOfDataSpace)
	must(t, d.Remove(t.Context(), "a"))
	d.settled(t)
}
