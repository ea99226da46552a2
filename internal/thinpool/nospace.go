package thinpool

import (
	"context"
	"fmt"
	"slices"
)

const errorIfNoSpace = "error_if_no_space"

// SetErrorIfNoSpace chooses what becomes of writes that find the pool's data
// device full: they fail with ENOSPC (true), or wait for space (false), which
// the kernel ends after its module parameter no_space_timeout, 60 s, by failing
// them. Writes that wait already are tried again, and so fail or go on waiting
// for another such time.
//
// It may be called at any time, and for an adopted pool too: everything else in
// the pool's table stays as it is. LVM brings its own setting back with the
// next change it makes to the pool.
func (p *Pool) SetErrorIfNoSpace(ctx context.Context, on bool) error {
	// After its timeout the kernel fails writes, whatever the table says.
	now, err := p.Status(ctx)
	if err == nil {
		err = p.replaceTable(ctx, func(_ *uint64, t *poolTable) bool {
			return t.setFeature(errorIfNoSpace, on) || now.ErrorIfNoSpace != on
		})
	}
	if err != nil {
		return fmt.Errorf("set %s of thin pool %s to %t: %w", errorIfNoSpace, p.id.Name, on, explain(err))
	}
	return nil
}

// setFeature adds or drops a feature word, and reports whether that changed
// anything.
func (t *poolTable) setFeature(word string, on bool) bool {
	has := slices.Contains(t.features, word)
	switch {
	case on && !has:
		t.features = append(slices.Clip(t.features), word)
	case !on && has:
		t.features = slices.DeleteFunc(slices.Clone(t.features), func(f string) bool { return f == word })
	}
	return has != on
}
