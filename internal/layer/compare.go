package layer

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// compare has the differ compare two pinned layers.
func (s *Store) compare(ctx context.Context, child, origin *layer) ([]diff.Change, error) {
	still := func(ctx context.Context, look func() error) error { return s.holdStill(ctx, child, origin, look) }
	return s.sys.Differ.Changes(ctx, s.side(child), s.side(origin), still)
}

func (s *Store) side(l *layer) Side {
	return Side{Dir: s.content(l), Device: thinpool.DeviceID(l.record.DeviceID)}
}

// holdStill calls look while the devices of two pinned layers hold all that their
// files show, and keep it: who is mounted for writing is frozen meanwhile. The
// locks keep others from mounting, or from freezing it themselves.
func (s *Store) holdStill(ctx context.Context, child, origin *layer, look func() error) (err error) {
	unlock, err := s.locks.lock(ctx, child.id, origin.id)
	if err != nil {
		return err
	}
	defer unlock()
	for _, l := range []*layer{origin, child} {
		if !l.isMounted() {
			return fmt.Errorf("%s is not mounted any more", l)
		}
		if l.mounted == mountedRead {
			continue
		}
		thaw, freezeErr := s.freeze(ctx, l)
		if freezeErr != nil {
			return freezeErr
		}
		defer func() { err = errors.Join(err, s.thawed(l, thaw())) }()
	}
	return look()
}

// thawed reports a filesystem that stays frozen: whoever writes to it hangs.
func (s *Store) thawed(l *layer, err error) error {
	if err != nil {
		s.log.WithError(err).WithField("layer", l.name()).Error("a layer's filesystem stays frozen; restart dmthind to thaw it")
	}
	return err
}
