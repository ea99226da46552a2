package layer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/user"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// The filesystems of the fake world: mounts, mkfs, changes and tars.

func (w *world) CheckFilesystem(context.Context, string, filesystem.Type) ([]string, error) {
	return w.damage, w.simple("fsck")
}

func (w *world) Mount(_ context.Context, device, dir string, _ filesystem.Type, o filesystem.MountOptions) error {
	unlock, err := w.call("mount %s ro=%v label=%s quota=%v", filepath.Base(dir), o.ReadOnly, o.Label, o.ProjectQuota)
	if err != nil {
		return err
	}
	defer unlock()
	w.mounts[dir] = filesystem.MountPoint{Dir: dir, Source: device, ReadOnly: o.ReadOnly}
	return os.MkdirAll(filepath.Join(dir, "rootfs"), 0o755)
}

func (w *world) MakeWritable(_ context.Context, dir string) error {
	unlock, err := w.call("make_writable %s", filepath.Base(dir))
	if err != nil {
		return err
	}
	defer unlock()
	m := w.mounts[dir]
	m.ReadOnly = false
	w.mounts[dir] = m
	return nil
}

func (w *world) Unmount(_ context.Context, dir string) (bool, error) {
	unlock, err := w.call("unmount %s", filepath.Base(dir))
	if err != nil {
		return false, err
	}
	defer unlock()
	delete(w.mounts, dir)
	return false, os.RemoveAll(filepath.Join(dir, "rootfs"))
}

// detachedMount keeps its device busy until it is closed, or its process ends.
type detachedMount struct {
	w      *world
	device string
}

func (w *world) Detach(dir string) (io.Closer, error) {
	unlock, err := w.call("detach %s", filepath.Base(dir))
	if err != nil {
		return nil, err
	}
	defer unlock()
	m, ok := w.mounts[dir]
	if !ok {
		return nil, fs.ErrNotExist
	}
	delete(w.mounts, dir)
	w.detached[m.Source] = true
	return detachedMount{w, m.Source}, os.RemoveAll(filepath.Join(dir, "rootfs"))
}

func (d detachedMount) Close() error {
	unlock, err := d.w.call("close %s", d.device)
	if err != nil {
		return err
	}
	defer unlock()
	delete(d.w.detached, d.device)
	return nil
}

func (w *world) endDetached() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.detached)
}

func (w *world) Alive(dir string) error { return w.simple("alive %s", filepath.Base(dir)) }

func (w *world) Sync(dir string) error {
	unlock, err := w.call("sync %s", filepath.Base(dir))
	if err != nil {
		return err
	}
	unlock()
	return nil
}

func (w *world) Mounts(context.Context, string) ([]filesystem.MountPoint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.mounts)), nil
}

func (w *world) Format(_ context.Context, _ string, t filesystem.Type, args []string) error {
	return w.simple("format %s %v", t, args)
}

func (w *world) PrepareBase(context.Context, string, filesystem.Type, int, int) error {
	return w.simple("prepare_base")
}

func (w *world) Probe(string) (filesystem.Type, error) { return filesystem.Ext4, nil }

func (w *world) UUID(context.Context, string) (string, error) { return "the-uuid", nil }

func (w *world) Grow(_ context.Context, _, dir string, _ filesystem.Type) error {
	return w.simple("grow %s", filepath.Base(dir))
}

func (w *world) Shrink(_ context.Context, _ string, _ filesystem.Type, size int64) error {
	return w.simple("shrink %d", size)
}

func (w *world) LimitTree(_ context.Context, _, dir string, bytes int64) error {
	return w.simple("limit %s %d", filepath.Base(filepath.Dir(dir)), bytes)
}

func (w *world) SetNoSpaceRetries(_ string, retries uint) error {
	return w.simple("retries %d", retries)
}

func (w *world) Changes(context.Context, Side, Side, Still) ([]diff.Change, error) {
	return []diff.Change{{Path: "/x"}}, w.simple("changes")
}

func (w *world) WriteChanges(_ context.Context, out io.Writer, _ string, _ []diff.Change, _ user.IdentityMapping) error {
	_, err := io.WriteString(out, "tar of changes")
	return errors.Join(err, w.simple("write_changes"))
}

func (w *world) WriteAll(_ context.Context, out io.Writer, _ string, _ user.IdentityMapping) error {
	_, err := io.WriteString(out, "tar of all")
	return errors.Join(err, w.simple("write_all"))
}

func (w *world) Apply(_ context.Context, dir string, tar io.Reader, _ user.IdentityMapping) (diff.Unpacked, error) {
	content, err := io.ReadAll(tar)
	if err := errors.Join(err, w.simple("apply %s", filepath.Base(filepath.Dir(dir)))); err != nil {
		return diff.Unpacked{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, d := range w.devices {
		if w.mounts[filepath.Dir(dir)].Source == w.pathOf(id) {
			w.devices[id] = thinDev{d.made, d.content + string(content)}
		}
	}
	return diff.Unpacked{Size: int64(len(content)), Newest: w.newest, Fractions: w.fractions}, nil
}

func (w *world) pathOf(id thinpool.DeviceID) string {
	for _, a := range w.active {
		if a.ID == id {
			return a.Device.Path
		}
	}
	return "inactive"
}

func (w *world) Size(context.Context, string, []diff.Change) (int64, error) { return 42, nil }
