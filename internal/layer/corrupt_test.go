package layer

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// TestADamagedFileCostsItsOwnLayerAtMost flips bits of each file of the state, and
// cuts each file short. The daemon must refuse to start, or serve the other
// layers, from the right devices, and destroy nothing.
func TestADamagedFileCostsItsOwnLayerAtMost(t *testing.T) {
	const (
		written = 200 // bytes of a file, before it is padded
		stride  = 7   // by which each place in a byte has its turn
	)
	w := newWorld(t)
	d := w.mustStart(t)
	for _, id := range []string{"a", "b", "c"} {
		create(t, d, id, "")
	}
	must(t, d.Remove(t.Context(), "c"))
	d.settled(t)
	d.kill()
	whole := w.files(t)
	for name, content := range whole {
		if strings.HasSuffix(name, ".reserve") {
			continue // it only holds space
		}
		for n := 0; n < min(len(content), written)*8; n += stride {
			flipped := []byte(content)
			flipped[n/8] ^= 1 << (n % 8)
			requireContained(t, w, whole, name, string(flipped), fmt.Sprintf("bit %d of %s", n, name))
		}
		for n := 0; n < len(content); n += stride {
			requireContained(t, w, whole, name, content[:n], fmt.Sprintf("%s cut to %d bytes", name, n))
		}
	}
}

// files returns what is in the files of the state.
func (w *world) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"identity.json", "metadata/*"} {
		paths, err := filepath.Glob(filepath.Join(w.dir, "state", pattern))
		must(t, err)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			must(t, err)
			name, err := filepath.Rel(filepath.Join(w.dir, "state"), path)
			must(t, err)
			files[name] = string(content)
		}
	}
	return files
}

// restore brings state and pool back to how they were.
func (w *world) restore(t *testing.T, files map[string]string, devices map[thinpool.DeviceID]thinDev, tid uint64) {
	t.Helper()
	must(t, os.RemoveAll(filepath.Join(w.dir, "state")))
	must(t, os.MkdirAll(filepath.Join(w.dir, "state", "metadata"), 0o700))
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(w.dir, "state", name), []byte(content), 0o600))
	}
	w.devices, w.tid = maps.Clone(devices), tid
}

func requireContained(t *testing.T, w *world, whole map[string]string, name, damaged, what string) {
	t.Helper()
	devices, tid := maps.Clone(w.devices), w.tid
	defer w.restore(t, whole, devices, tid)
	must(t, os.WriteFile(filepath.Join(w.dir, "state", name), []byte(damaged), 0o600))
	d, err := w.start(w.options())
	if err != nil {
		if !strings.Contains(err.Error(), filepath.Base(name)) && !strings.Contains(err.Error(), "base device") && !strings.Contains(err.Error(), "transaction") {
			t.Errorf("%s: the refusal does not say what is wrong: %v", what, err)
		}
		return
	}
	defer d.kill()
	d.settled(t)
	if !slices.Equal(slices.Sorted(maps.Keys(w.devices)), slices.Sorted(maps.Keys(devices))) {
		t.Errorf("%s: the pool held devices %v, now %v", what, devices, w.devices)
	}
	for _, id := range []string{"a", "b"} {
		requireRight(t, d, id, what, name == "metadata/"+id)
	}
}

// requireRight gets a layer and looks whether it is on its own device. Where its
// own record is damaged, or another claims its device, it may be refused.
func requireRight(t *testing.T, d *daemon, id, what string, own bool) {
	t.Helper()
	if _, err := d.Get(t.Context(), id, ""); err != nil {
		if !own && !strings.Contains(err.Error(), "is also in record") {
			t.Errorf("%s: layer %s: %v", what, id, err)
		}
		return
	}
	defer func() { must(t, d.Put(t.Context(), id)) }()
	want := map[string]uint32{"a": 2, "b": 3}[id]
	if l, err := d.find(id); err != nil || l.record.DeviceID != want {
		t.Errorf("%s: layer %s is served from device %d, not %d", what, id, l.record.DeviceID, want)
	}
}
