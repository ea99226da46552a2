package diff

import "fmt"

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
	if f.seeds != nil {
		return v.visitSeed(f)
	}
	if f.is == isOneNode {
		return v.visitClean(f)
	}
	path := f.path()
	layer, names, err := v.read(v.walk.layer, path)
	if isGone(err) && f.up != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFD(layer)
	pair := v.pair(f, path)
	pair.layer.fd = layer
	var before []dirent
	if f.is != isNew {
		if pair.parent.fd, before, err = v.read(v.walk.parent, path); err != nil {
			return v.inTheParent(err)
		}
		defer closeFD(pair.parent.fd)
	}
	return pair.compare(names, before)
}

// read opens a folder of one side and lists it.
func (v *visitor) read(t tree, path string) (fd int, names []dirent, err error) {
	if fd, err = openBeneath(t.fd, path, readDir); err != nil {
		return -1, nil, err
	}
	if names, err = readFolder(fd, v.buf); err != nil {
		closeFD(fd)
		return -1, nil, err
	}
	return fd, names, nil
}

func (v *visitor) pair(f *folder, path string) *folderPair {
	prefix := "/"
	if f.up != nil {
		prefix = "/" + path + "/"
	}
	return &folderPair{
		layer:    side{path: v.walk.layer.path + "/" + path},
		parent:   side{path: v.walk.parent.path + "/" + path},
		suspects: v.walk.suspects,
		report: func(name string, kind Kind) {
			v.changes = append(v.changes, Change{Path: prefix + name, Kind: kind})
		},
		descend: func(e dirent, is relation) {
			if is == isOneNode && v.walk.seeds != nil && (f.is == isOneNode || f.is == isSuspect) {
				return // the suspects below it have seeds of their own
			}
			v.found = append(v.found, &folder{up: f, name: e.name, is: is})
		},
	}
}

// inTheParent marks an error of the other side.
func (v *visitor) inTheParent(err error) error { return fmt.Errorf("in the parent: %w", err) }
