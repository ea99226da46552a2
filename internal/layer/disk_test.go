package layer

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func problems(t *testing.T, d *daemon) string {
	t.Helper()
	sum, err := d.Summary(t.Context())
	must(t, err)
	return strings.Join(sum.Problems, "\n")
}

func TestADiskThatFailsIsAProblemUntilItsLayerWorksAgain(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	create(t, d, "b", "")
	w.failOn("mount a", unix.EIO)
	_, err := d.Get(t.Context(), "a", "")
	mustFail(t, err, unix.EIO)
	w.failOn("", nil)
	get(t, d, "b")
	mustFail(t, d.Ready(t.Context()), unix.EIO)
	if said := problems(t, d); !strings.Contains(said, "layer a: the disk below the pool's data fails") {
		t.Errorf("problems: %q", said)
	}
	get(t, d, "a")
	must(t, d.Ready(t.Context()))
	if said := problems(t, d); said != "" {
		t.Errorf("problems: %q", said)
	}
}

func TestAProblemIsOneLine(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("mount a", errors.Join(unix.EIO, errors.New("nor can it be undone")))
	if _, err := d.Get(t.Context(), "a", ""); !errors.Is(err, unix.EIO) {
		t.Fatal(err)
	}
	if said := problems(t, d); strings.Contains(said, "\n") || !strings.Contains(said, "; nor can it be undone") {
		t.Errorf("problems: %q", said)
	}
}

func TestADiskThatFailedForARemovedLayerIsNoProblem(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("mount a", unix.EIO)
	_, err := d.Get(t.Context(), "a", "")
	mustFail(t, err, unix.EIO)
	w.failOn("", nil)
	must(t, d.Remove(t.Context(), "a"))
	must(t, d.Ready(t.Context()))
}

func TestADiskThatFailsUnderALayerBeingRemovedIsNoProblemForEver(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.before = func(call string) error {
		if call != "apply a" {
			return nil
		}
		w.failOn("", nil)
		must(t, d.Remove(t.Context(), "a"))
		return unix.EIO
	}
	_, err := d.ApplyDiff(t.Context(), "a", strings.NewReader("tar"))
	mustFail(t, err, unix.EIO)
	must(t, d.Ready(t.Context()))
}
