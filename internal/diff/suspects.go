package diff

import (
	"context"
	"slices"
)

// Suspects are the inodes that may differ between a layer and its parent. One
// that differs and is no suspect, in a visible way or by the names in it, is not
// seen: whoever makes the set vouches for that. One too many costs no more than
// a look at it.
type Suspects map[uint64]struct{}

// ChangesAmong is Changes for layers whose differing inodes are known. It lists
// the layer's folders, but looks closer at suspects only.
func ChangesAmong(ctx context.Context, layer, parent string, suspects Suspects) ([]Change, error) {
	w := newWalk(ctx, layer, parent)
	w.suspects = suspects
	return w.changes()
}

// has reports whether an inode may differ; without a set, any may.
func (s Suspects) has(inode uint64) bool {
	if s == nil {
		return true
	}
	_, ok := s[inode]
	return ok
}

// visitClean looks at a folder that holds the same names for the same inodes on
// both sides: it is one inode, and no suspect.
func (v *visitor) visitClean(f *folder) error {
	path := f.path()
	fd, entries, err := v.read(v.walk.layer, path)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	pair := v.pair(f, path)
	pair.layer.fd, pair.parent.fd = fd, -1
	if slices.ContainsFunc(entries, func(e dirent) bool { return v.walk.suspects.has(e.inode) }) {
		if pair.parent.fd, err = openBeneath(v.walk.parent.fd, path, pathDir); err != nil {
			return v.inTheParent(err)
		}
		defer closeFD(pair.parent.fd)
	}
	for _, e := range entries {
		if err := pair.both(e, e); err != nil {
			return err
		}
	}
	return nil
}
