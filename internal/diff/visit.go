package diff

import (
	"errors"

	"golang.org/x/sys/unix"
)

// visitor is one worker of a walk, with what it found.
type visitor struct {
	walk    *walk
	buf     []byte
	changes []Change
	found   []*folder // subfolders of the folder being visited
}

// visit compares one folder. A folder of the layer that is gone by now has
// nothing more to tell.
func (v *visitor) visit(f *folder) error {
	path := f.path()
	layer, err := openBeneath(v.walk.layer, path, readDir)
	if isGone(err) && f.up != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFD(layer)
	names, err := readFolder(layer, v.buf)
	if err != nil && !errors.Is(err, unix.ENOENT) { // removed while open
		return err
	}
	parent, before := -1, []dirent(nil)
	if f.inParent {
		if parent, err = openBeneath(v.walk.parent, path, readDir); err != nil {
			return err
		}
		defer closeFD(parent)
		if before, err = readFolder(parent, v.buf); err != nil {
			return err
		}
	}
	return v.pair(f, path, layer, parent).compare(names, before)
}

func (v *visitor) pair(f *folder, path string, layer, parent int) *folderPair {
	prefix := "/"
	if f.up != nil {
		prefix = "/" + path + "/"
	}
	return &folderPair{
		layer: layer, parent: parent,
		report: func(name string, kind Kind) {
			v.changes = append(v.changes, Change{Path: prefix + name, Kind: kind})
		},
		descend: func(name string, inParent bool) {
			v.found = append(v.found, &folder{up: f, name: name, inParent: inParent})
		},
	}
}
