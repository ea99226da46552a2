package diff

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// differs is Docker's test for two entries of one name: mode, owner, device
// number and, except for folders, size and time. Inode and change times say
// nothing, as they differ between copies of one file. Docker takes times of one
// second as equal if either has no fraction, as files unpacked from a layer's tar
// have none. A layer's file comes with its parent's device, fraction or not, so
// that a change in the very second of the unpacking can be told.
func differs(a, b *stat) bool {
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid ||
		a.Rdev_major != b.Rdev_major || a.Rdev_minor != b.Rdev_minor {
		return true
	}
	if a.isDir() {
		return false
	}
	return a.Size != b.Size || a.Mtime != b.Mtime
}

// linked reports whether a file has a new name somewhere. All of its names must
// be in the tar, or the new one becomes a file of its own. overlayfs, which
// copies the file to link it, makes Docker see it; its comparison of folders
// does not look.
func linked(after, before *stat) bool {
	return !after.isDir() && after.Nlink > before.Nlink
}

// side is one of the two folders that a folderPair compares.
type side struct {
	fd   int
	path string // of the folder, for the calls that take no descriptor
	buf  [capabilityBuffer]byte
}

// capability goes by path, which costs a third of going through /proc and counts
// with every entry of a layer. Should a container swap a folder on the way for a
// link, an entry counts as changed or not for the wrong reason, as it may
// whenever it changes meanwhile.
func (s *side) capability(name string) ([]byte, error) {
	if len(s.path)+len(name)+1 < unix.PathMax {
		return readCapability(s.path+"/"+name, s.buf[:])
	}
	return readCapability(procName(s.fd, name), s.buf[:])
}

// folderPair compares one folder of a layer with the same one of its parent,
// names only one level deep.
type folderPair struct {
	layer, parent side
	suspects      Suspects // nil: everything may differ
	report        func(name string, kind Kind)
	// descend is told of every subfolder of the layer that has to be walked.
	descend func(e dirent, is relation)
}

// relation is what is known of a folder of the layer before it is looked at.
type relation int

const (
	isNew     relation = iota // the parent has no folder of that name
	isBoth                    // both have one
	isSuspect                 // both have one of the same inode, which may differ
	isOneNode                 // both have one of the same inode, which doesn't differ
)

// relate tells how a folder of the layer stands to what has its name in the parent.
func relate(after, before *stat) relation {
	switch {
	case !before.isDir():
		return isNew
	case after.Ino != before.Ino:
		return isBoth
	}
	return isSuspect
}

// compare merges two sorted lists of names.
func (p *folderPair) compare(layer, parent []dirent) error {
	for len(layer) > 0 || len(parent) > 0 {
		switch {
		case len(parent) == 0 || len(layer) > 0 && layer[0].name < parent[0].name:
			if err := p.added(layer[0]); err != nil {
				return err
			}
			layer = layer[1:]
		case len(layer) == 0 || parent[0].name < layer[0].name:
			p.report(parent[0].name, Deleted)
			parent = parent[1:]
		default:
			if err := p.both(layer[0], parent[0]); err != nil {
				return err
			}
			layer, parent = layer[1:], parent[1:]
		}
	}
	return nil
}

// compareSame compares entries that are on both sides.
func (p *folderPair) compareSame(entries []dirent) error {
	for _, e := range entries {
		if err := p.both(e, e); err != nil {
			return err
		}
	}
	return nil
}

func (p *folderPair) added(e dirent) error {
	isDir := e.kind == unix.DT_DIR
	if e.kind == unix.DT_UNKNOWN {
		s, err := lstatAt(p.layer.fd, e.name)
		if isGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stat %q: %w", e.name, err)
		}
		isDir = s.isDir()
	}
	p.report(e.name, Added)
	if isDir {
		p.descend(e, isNew)
	}
	return nil
}

// both compares two entries of one name.
func (p *folderPair) both(layer, parent dirent) error {
	name := layer.name
	if layer.inode == parent.inode && layer.kind == parent.kind && layer.kind != unix.DT_UNKNOWN && !p.suspects.has(layer.inode) {
		if layer.kind == unix.DT_DIR {
			p.descend(layer, isOneNode)
		}
		return nil
	}
	after, err := lstatAt(p.layer.fd, name)
	if isGone(err) {
		p.report(name, Deleted)
		return nil
	}
	if err != nil {
		return fmt.Errorf("stat %q: %w", name, err)
	}
	before, err := lstatAt(p.parent.fd, name)
	if err != nil {
		return fmt.Errorf("stat %q in the parent: %w", name, err)
	}
	changed := differs(&after, &before) || linked(&after, &before)
	if !changed {
		changed, err = p.capabilityDiffers(name)
		if err != nil {
			return err
		}
	}
	if changed {
		p.report(name, Modified)
	}
	if after.isDir() {
		p.descend(layer, relate(&after, &before))
	}
	return nil
}

func (p *folderPair) capabilityDiffers(name string) (bool, error) {
	after, err := p.layer.capability(name)
	if err != nil {
		return false, fmt.Errorf("%q: %w", name, err)
	}
	before, err := p.parent.capability(name)
	if err != nil {
		return false, fmt.Errorf("%q in the parent: %w", name, err)
	}
	return !bytes.Equal(after, before), nil
}
