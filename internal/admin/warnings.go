package admin

import (
	"fmt"
	"slices"

	"github.com/docker/go-units"
)

// Warnings says, one line each, why the daemon can't do all its work or soon
// may not. A daemon with nothing to warn of is ready.
func (s Status) Warnings() []string {
	switch s.State {
	case StateReady:
		return slices.Concat(s.Pool.lowSpace(), s.problems())
	case StateFailed:
		return slices.Concat([]string{"the daemon could not start its pool: " + s.Error}, s.Problems)
	default:
		return slices.Concat([]string{"no pool yet: dockerd has not sent Init"}, s.Problems)
	}
}

// problems falls back on the pool's own words, so that no sick pool looks
// healthy because a daemon of another release doesn't list it.
func (s Status) problems() []string {
	if len(s.Problems) > 0 {
		return s.Problems
	}
	var lines []string
	if s.Pool.Mode != PoolReadWrite {
		lines = append(lines, fmt.Sprintf("the pool's mode is %q, not %q", s.Pool.Mode, PoolReadWrite))
	}
	if s.Pool.NeedsCheck {
		lines = append(lines, "the pool's metadata needs thin_check")
	}
	return lines
}

// lowSpace goes by the pool's free blocks, not by DataAvailable: that's the
// rule of dm.min_free_space.
func (p PoolStatus) lowSpace() []string {
	free := p.DataTotal - p.DataUsed
	if free >= p.MinFreeSpace {
		return nil
	}
	return []string{fmt.Sprintf("free data space %s is below dm.min_free_space (%s): new layers are refused",
		units.HumanSize(float64(free)), units.HumanSize(float64(p.MinFreeSpace)))}
}
