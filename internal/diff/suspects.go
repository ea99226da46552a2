package diff

import (
	"context"
	"slices"
)

// Suspects are the inodes that may differ between a layer and its parent, with
// the number of names that each has in the layer, 0 if that doesn't matter. An
// inode that differs and is no suspect, in a visible way or by the names in it,
// is not seen: whoever makes the set vouches for that. One too many costs no
// more than a look at it.
type Suspects map[uint64]int

// Place is a name that an inode may have in some folder.
type Place struct {
	Name  string
	Inode uint64
	Dir   bool
}

// Places are where suspects can be found: for the inode of a folder, the names
// in it that are suspects or lead to some. They are no more than hints, and
// each is looked at before it counts.
type Places map[uint64][]Place

// ChangesAmong is Changes for layers whose differing inodes are known. It lists
// the layer's folders, but looks closer at suspects only.
func ChangesAmong(ctx context.Context, layer, parent string, suspects Suspects) ([]Change, error) {
	w := newWalk(ctx, layer, parent)
	w.suspects = suspects
	return w.changes()
}

// ChangesAt is ChangesAmong without listing the layer: folders that are no
// suspects are not opened but on the way to a place. If not all names of all
// suspects were met, found is false and the changes are worth nothing.
func ChangesAt(ctx context.Context, layer, parent string, suspects Suspects, places Places) (changes []Change, found bool, err error) {
	w := newWalk(ctx, layer, parent)
	w.suspects, w.places = suspects, places
	if w.places == nil {
		w.places = Places{}
	}
	if changes, err = w.changes(); err != nil {
		return nil, false, err
	}
	return changes, w.metAll(), nil
}

// has reports whether an inode may differ; without a set, any may.
func (s Suspects) has(inode uint64) bool {
	if s == nil {
		return true
	}
	_, ok := s[inode]
	return ok
}

// metAll reports whether every name of every suspect was met.
func (w *walk) metAll() bool {
	for inode, names := range w.suspects {
		if w.met[inode] < names {
			return false
		}
	}
	return true
}

// visitClean looks at a folder that holds the same names for the same inodes on
// both sides: it is one inode, and no suspect.
func (v *visitor) visitClean(f *folder) error {
	path := f.path()
	fd, entries, err := v.listClean(f, path)
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
	v.meet(entries)
	for _, e := range entries {
		if err := pair.both(e, e); err != nil {
			return err
		}
	}
	return nil
}

// listClean opens a folder that is the same on both sides and returns what is
// to be looked at in it.
func (v *visitor) listClean(f *folder, path string) (fd int, entries []dirent, err error) {
	if v.walk.places == nil {
		return v.read(v.walk.layer, path)
	}
	if fd, err = openBeneath(v.walk.layer.fd, path, pathDir); err != nil {
		return -1, nil, err
	}
	for _, p := range v.walk.places[f.inode] {
		s, err := lstatAt(fd, p.Name)
		if err == nil && s.Ino == p.Inode {
			entries = append(entries, dirent{name: p.Name, inode: s.Ino, kind: s.direntKind()})
		}
	}
	return fd, entries, nil
}

// meet counts the suspects among the entries of a layer's folder.
func (v *visitor) meet(entries []dirent) {
	if v.walk.places == nil {
		return
	}
	for _, e := range entries {
		if v.walk.suspects.has(e.inode) {
			v.met[e.inode]++
		}
	}
}
