package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/thinpool"
)

type mountState int

const (
	unmounted mountState = iota
	activated            // nothing is mounted, but the device is active
	mountedRead
	mountedWrite
)

func (l *layer) isMounted() bool { return l.mounted > activated }

// setMounted notes how a layer is mounted. Its lock is held.
func (s *Store) setMounted(l *layer, m mountState) {
	l.mounted = m
	s.mu.Lock()
	defer s.mu.Unlock()
	if m == unmounted {
		delete(s.mounted, l)
	} else {
		s.mounted[l] = struct{}{}
	}
}

// Get mounts a layer for reading and writing and returns its folder, the same
// on every call. Each Get wants one Put. label is an SELinux label or empty;
// the first Get of a mounted layer decides.
func (s *Store) Get(ctx context.Context, id, label string) (string, error) {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return "", err
	}
	defer unlock()
	l, err := s.usable(id)
	if err != nil {
		return "", err
	}
	if l.isMounted() && l.label != label { // it can't be given to a mount that there is
		if err := s.endIdle(ctx, l); err != nil {
			return "", err
		}
	}
	if err := s.mount(ctx, l, mountedWrite, label); err != nil {
		return "", fmt.Errorf("mount %s: %w", l, err)
	}
	l.refs++
	return s.content(l), nil
}

// Put undoes one Get. One too many is a success, since a crash loses counts
// and dockerd sends Put for what it mounted before; it still unmounts.
func (s *Store) Put(ctx context.Context, id string) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.find(id)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if l.refs > 0 {
		l.refs--
	}
	return s.releaseUnused(ctx, l)
}

// mount brings a layer to at least the wanted state. The layer lock is held.
func (s *Store) mount(ctx context.Context, l *layer, want mountState, label string) error {
	if err := s.wakeUp(l); err != nil {
		return err
	}
	if want == mountedWrite {
		l.synced = false
		l.writes++
	}
	if l.mounted >= want {
		return nil
	}
	dir := s.mountPoint(l)
	if l.mounted == mountedRead {
		if err := s.sys.Mounter.MakeWritable(ctx, dir); err != nil {
			return errors.Join(err, s.releaseUnused(ctx, l))
		}
		s.setMounted(l, mountedWrite)
		return nil
	}
	device, err := s.sys.Devices.Activate(ctx, l.thin(s.names), false)
	if err != nil {
		return err
	}
	if err := s.mountDevice(ctx, l, device, want, label); err != nil {
		return errors.Join(err, s.release(ctx, l))
	}
	return nil
}

func (s *Store) mountDevice(ctx context.Context, l *layer, device thinpool.Device, want mountState, label string) error {
	dir := s.mountPoint(l)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.records.Suspect(err)
		return fmt.Errorf("make mount point: %w", err)
	}
	o := s.mountOptions(l, label)
	o.ReadOnly = want == mountedRead
	err := s.sys.Mounter.Mount(ctx, device.Path, dir, s.fs, o)
	if want == mountedRead && errors.Is(err, unix.EBUSY) {
		// The device is mounted for writing in a container's own namespace,
		// left from before a crash; the kernel refuses two modes at once.
		o.ReadOnly, want = false, mountedWrite
		err = s.sys.Mounter.Mount(ctx, device.Path, dir, s.fs, o)
	}
	s.noteDisk(l, err)
	if err != nil {
		return err
	}
	s.setMounted(l, want)
	l.label, l.synced = label, false
	if s.fs == filesystem.XFS && s.opts.XFSNoSpaceRetries != nil {
		if err := s.sys.Resizer.SetNoSpaceRetries(device.Path, *s.opts.XFSNoSpaceRetries); err != nil {
			return err
		}
	}
	return s.ensureContent(l, want)
}

func (s *Store) mountOptions(l *layer, label string) filesystem.MountOptions {
	return filesystem.MountOptions{Label: label, Extra: s.opts.MountOptions, ProjectQuota: l.record.Limit > 0}
}

// ensureContent makes the layer's folder on devices that never had one: those
// formatted by Docker get it at their first mount.
func (s *Store) ensureContent(l *layer, mode mountState) error {
	if mode == mountedRead {
		return nil
	}
	uid, gid := s.opts.IDs.RootPair()
	err := os.Mkdir(s.content(l), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chown(s.content(l), uid, gid)
	}
	if err != nil {
		return fmt.Errorf("make the layer's folder: %w", err)
	}
	return nil
}

// releaseUnused ends the use of a layer that nobody uses any more: it rests
// mounted, or is unmounted and deactivated.
func (s *Store) releaseUnused(ctx context.Context, l *layer) error {
	if l.wanted() || l.idle {
		return nil
	}
	if l.childNext() {
		return s.windDown(ctx, l)
	}
	if s.keepIdle(l, s.opts.KeepMounted) {
		return nil
	}
	return s.release(ctx, l)
}

// childNext tells the layer that Docker puts between an image and its container, at
// its one Put: what follows is a child of it, for which it must be unmounted. As
// the parent of comparisons it is only read, and rests as others do.
func (l *layer) childNext() bool {
	return l.mounted == mountedWrite && strings.HasSuffix(l.id, "-init")
}

// release unmounts and deactivates a layer, used or not. The layer lock is held.
func (s *Store) release(ctx context.Context, l *layer) error {
	ctx = context.WithoutCancel(ctx) // a half-released layer helps nobody
	if err := s.unmount(ctx, l); err != nil {
		return err
	}
	s.setMounted(l, unmounted)
	return s.deactivate(ctx, l.device)
}

// unmount leaves a layer's device active. The mount point goes too: removing it
// drops copies of the mount that leaked into other mount namespaces (Linux 3.18
// and later).
func (s *Store) unmount(ctx context.Context, l *layer) error {
	if _, err := s.sys.Mounter.Unmount(context.WithoutCancel(ctx), s.mountPoint(l)); err != nil {
		return fmt.Errorf("unmount %s: %w", l, err)
	}
	return s.left(l, activated)
}

// left notes that a layer's mount point is free, and what it is now.
func (s *Store) left(l *layer, now mountState) error {
	s.setMounted(l, now)
	if err := s.wakeUp(l); err != nil {
		return err
	}
	err := os.Remove(s.mountPoint(l))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.WithError(err).WithField("layer", l.name()).Warn("mount point stays behind")
	}
	return nil
}

// busyWait bounds how long a busy device is waited for where the kernel or the
// options rule out deferred removal. dockerd's copies of a mount in private
// namespaces are gone within tens of milliseconds of their end.
const busyWait = 2 * time.Second

// deactivate removes a device, or has the kernel do it once its last user is
// gone.
func (s *Store) deactivate(ctx context.Context, device string) error {
	err := s.sys.Devices.Deactivate(ctx, device)
	if !errors.Is(err, thinpool.ErrBusy) {
		return err
	}
	if s.opts.DeferredRemoval {
		return s.sys.Devices.DeactivateDeferred(ctx, device)
	}
	return retryBusy(ctx, busyWait, func() error { return s.sys.Devices.Deactivate(ctx, device) })
}

// retryBusy calls f until it returns anything but ErrBusy or the time is up.
func retryBusy(ctx context.Context, wait time.Duration, f func() error) error {
	deadline := time.Now().Add(wait)
	for delay := 10 * time.Millisecond; ; delay *= 2 {
		err := f()
		if !errors.Is(err, thinpool.ErrBusy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
