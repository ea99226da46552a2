package layer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// blocksWait bounds how long the blocks of removed layers are waited for.
const blocksWait = 10 * time.Second

// awaitBlocks has the blocks of removed layers given back now, and returns when
// that was tried with each of them, or after blocksWait.
func (s *Store) awaitBlocks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, blocksWait)
	defer cancel()
	s.reclaimer.hurry(ctx)
}

// enoughSpace keeps a reserve for the layers that exist: a full pool fails the
// writes of all of them. What removed layers still hold is waited for, as Docker
// answers a removal before its blocks are back.
func (s *Store) enoughSpace(ctx context.Context) error {
	err := s.enoughNow(ctx)
	full := errors.Is(err, ErrPoolLow) || errors.Is(err, thinpool.ErrOutOfDataSpace)
	if !full || len(s.pending()) == 0 {
		return err
	}
	s.awaitBlocks(ctx)
	return s.enoughNow(ctx)
}

func (s *Store) enoughNow(ctx context.Context) error {
	status, err := s.sys.Pool.Status(ctx)
	if err != nil {
		return err
	}
	if err := status.Check(); err != nil {
		return err
	}
	return s.enoughIn(status)
}

func (s *Store) enoughIn(status thinpool.Status) error {
	if err := s.enough("data", status.DataTotal, status.DataUsed); err != nil {
		return err
	}
	return s.enough("metadata", status.MetadataTotal, status.MetadataUsed)
}

func (s *Store) enough(what string, total, used uint64) error {
	if s.opts.MinFreePercent == 0 {
		return nil
	}
	required := max(total*uint64(s.opts.MinFreePercent)/100, 1)
	if free := total - used; free < required {
		return fmt.Errorf("%w: %d of %d %s blocks are free, dm.min_free_space=%d%% keeps %d; remove images and containers, or add space to the pool",
			ErrPoolLow, free, total, what, s.opts.MinFreePercent, required)
	}
	return nil
}
