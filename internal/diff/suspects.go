package diff

import (
	"context"
	"slices"
)

// Suspects are the inodes that may differ between a layer and its parent, and how
// many names each has in the layer; of folders that number means nothing. One
// that differs and is no suspect, in a visible way or by the names in it, is not
// seen: whoever makes the set vouches for that. One too many costs no more than
// a look at it.
type Suspects map[uint64]uint32

// ChangesAmong is Changes for layers whose differing inodes are known. Where
// names tell where to find each of them, only the folders are listed that are
// suspects, and listed is false; else all of the layer's, but no other inodes
// are looked at. names may be nil.
func ChangesAmong(ctx context.Context, layer, parent string, suspects Suspects, names Names) (changes []Change, listed bool, err error) {
	w := newWalk(ctx, layer, parent)
	w.suspects = suspects
	if names != nil {
		if w.seeds, err = resolve(ctx, layer, suspects, names); err != nil {
			return nil, false, err
		}
	}
	changes, err = w.changes()
	return changes, w.seeds == nil, err
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
	return pair.compareSame(entries)
}

// visitSeed looks at those entries of a folder that are suspects. The folder is
// none, but where one above it was exchanged for another it is not the parent's;
// then the walk gets to it from there.
func (v *visitor) visitSeed(f *folder) error {
	path := f.path()
	layer, after, err := openNode(v.walk.layer.fd, path)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFD(layer)
	parent, before, err := openNode(v.walk.parent.fd, path)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return v.inTheParent(err)
	}
	defer closeFD(parent)
	if before != after {
		return nil
	}
	pair := v.pair(f, path)
	pair.layer.fd, pair.parent.fd = layer, parent
	return pair.compareSame(f.seeds)
}

// openNode opens a folder to look names up in it, and returns its inode.
func openNode(top int, path string) (fd int, number uint64, err error) {
	if fd, err = openBeneath(top, path, pathDir); err != nil {
		return -1, 0, err
	}
	s, err := lstatAt(fd, "")
	if err != nil {
		closeFD(fd)
		return -1, 0, err
	}
	return fd, s.Ino, nil
}
