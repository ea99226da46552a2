package blockdiff

import (
	"context"
	"slices"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
)

// verified asks the walk as well. Its answer counts: a layer that lacks a change
// is wrong for good.
func (d *Differ) verified(ctx context.Context, layer, parent Layer, changes []diff.Change, method Method) ([]diff.Change, error) {
	want, err := diff.Changes(ctx, layer.Dir, parent.Dir)
	if err != nil {
		return nil, err
	}
	if slices.Equal(changes, want) {
		d.cfg.Observe(Outcome{Method: method, Reason: Verified})
		return want, nil
	}
	missing, extra := unlike(want, changes), unlike(changes, want)
	d.cfg.Log.WithFields(logrus.Fields{"layer": layer.Dir, "missing": missing, "extra": extra}).
		Error("comparing blocks gave other changes than comparing files, which are used; unless files changed meanwhile this is a bug: please report it, and set DMTHIN_VERIFY_DIFF=100%")
	d.cfg.Observe(Outcome{Method: Walk, Reason: Mismatch})
	return want, nil
}

// maxUnlike bounds what is logged.
const maxUnlike = 10

// unlike returns the first of the changes that others doesn't have.
func unlike(changes, others []diff.Change) []string {
	known := make(map[diff.Change]struct{}, len(others))
	for _, c := range others {
		known[c] = struct{}{}
	}
	var found []string
	for _, c := range changes {
		if _, ok := known[c]; !ok && len(found) < maxUnlike {
			found = append(found, c.String())
		}
	}
	return found
}
