package admin

import (
	"fmt"
	"slices"

	"github.com/docker/go-units"
)

// Warnings says, one line each, why the daemon can't do all its work or soon
// may not. A daemon with nothing to warn of is ready. Leaked devices are not in
// it: they cost space and break nothing.
func (s Status) Warnings() []string {
	switch s.State {
	case StateReady:
		return slices.Concat(s.Pool.warnings(), s.Problems)
	case StateFailed:
		return slices.Concat([]string{"the daemon could not start its pool: " + s.Error}, s.Problems)
	default:
		return slices.Concat([]string{"no pool yet: dockerd has not sent Init"}, s.Problems)
	}
}

func (p PoolStatus) warnings() []string {
	var lines []string
	switch p.Mode {
	case PoolReadWrite:
	case PoolReadOnly:
		lines = append(lines, "the pool is read-only: no layer can be made, removed or written")
	case PoolOutOfData:
		lines = append(lines, "the pool is out of data space: writes wait or fail")
	case PoolFailed:
		lines = append(lines, "the pool has failed: all I/O to its layers fails")
	default:
		lines = append(lines, "the pool's mode could not be read")
	}
	if p.NeedsCheck {
		lines = append(lines, "the pool's metadata needs thin_check before the kernel writes to it again")
	}
	// The free blocks of the pool decide, not DataAvailable: that's the rule
	// by which Docker's dm.min_free_space refuses layers.
	if free := p.DataTotal - p.DataUsed; free < p.MinFreeSpace {
		lines = append(lines, fmt.Sprintf("free data space %s is below dm.min_free_space (%s): new layers are refused",
			units.HumanSize(float64(free)), units.HumanSize(float64(p.MinFreeSpace))))
	}
	return lines
}
