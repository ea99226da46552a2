//go:build dmtest

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/dmthin/dmthin/internal/thintools"
	"github.com/dmthin/dmthin/test/writelog"
)

// replayCuts recovers from each of the cuts and calls report with what is wrong
// after it. It ends early when report returns false. Cuts in the order of the
// log are the fastest.
func (r *recording) replayCuts(ctx context.Context, cuts []writelog.Cut, report func(c writelog.Cut, wrong []string) bool) error {
	base, err := r.blank.copyTo("base")
	if err != nil {
		return err
	}
	defer func() { base.discard() }()
	done := 0 // entries applied to base
	for _, c := range cuts {
		if c.Certain() < done {
			base.discard()
			if base, err = r.blank.copyTo("base"); err != nil {
				return err
			}
			done = 0
		}
		if err := r.writes.ApplyAll(base, done, c.Certain()); err != nil {
			return err
		}
		done = c.Certain()
		wrong, err := r.try(ctx, base, c)
		if err != nil {
			return fmt.Errorf("replay of cut %s: %w", c, err)
		}
		if !report(c, wrong) {
			return nil
		}
	}
	return nil
}

// try recovers from one cut. The error is that of the test; what the daemon
// does wrong is in wrong.
func (r *recording) try(ctx context.Context, base imageFile, c writelog.Cut) (wrong []string, err error) {
	disk, err := base.copyTo("cut")
	if err != nil {
		return nil, err
	}
	defer disk.discard()
	if err := r.writes.Finish(disk, c, r.workload.seed); err != nil {
		return nil, err
	}
	at := r.writes.progressAt(c.Entry, len(r.operations))
	return r.workload.on.recoverOn(ctx, disk, func(d *daemon) []string { return d.verify(ctx, r.operations, at) })
}

// recoverOn starts the daemon on a disk that lost its power, has verify look at
// it, and checks what the daemon leaves when it stops.
func (s setting) recoverOn(ctx context.Context, disk imageFile, verify func(*daemon) []string) (wrong []string, err error) {
	l, err := openLab(ctx, disk, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	if err := mountState(); err != nil {
		return append(wrong, fmt.Sprintf("the state's filesystem does not mount: %v", err)), nil
	}
	// Blocks that were being copied may be counted and not mapped yet.
	wrong = append(wrong, s.checkMetadata(ctx, thintools.CheckDamage)...)
	found, err := s.recoverMounted(verify)
	wrong = append(append(wrong, found...), s.checkMetadata(ctx, thintools.Check)...)
	if err := errors.Join(err, unmountState()); err != nil {
		return wrong, err
	}
	if err := run(ctx, "e2fsck", "-fn", partPath("state")); err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong, nil
}

func (s setting) recoverMounted(verify func(*daemon) []string) (wrong []string, err error) {
	_ = os.Remove(runDir + "/init.json") // it is in memory: a power cut takes it
	d, err := s.start("")
	if err != nil {
		return nil, err
	}
	if err := d.init(); err != nil {
		return []string{fmt.Sprintf("the daemon does not recover: %v", err)}, d.end(syscall.SIGTERM)
	}
	wrong = verify(d)
	if err := d.stop(); err != nil {
		wrong = append(wrong, fmt.Sprintf("the daemon does not stop: %v", err))
	}
	return wrong, nil
}

// checkMetadata has the metadata of the inactive pool checked, where there is any.
func (s setting) checkMetadata(ctx context.Context, check func(context.Context, string) ([]string, error)) []string {
	head := make([]byte, 4096)
	f, err := os.Open(s.metadata)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []string{err.Error()}
	}
	defer f.Close()
	if _, err := f.Read(head); err != nil && err != io.EOF {
		return []string{err.Error()}
	}
	if bytes.Equal(head, make([]byte, len(head))) {
		return nil
	}
	damage, err := check(ctx, s.metadata)
	if err != nil {
		damage = append(damage, err.Error())
	}
	return damage
}
