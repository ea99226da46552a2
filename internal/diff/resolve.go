package diff

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// Names tell what inodes may be called, as paths relative to the layer's folder.
// They may be out of date: each is looked at.
type Names interface {
	Lookup(inode uint64) []string
}

// errUnresolved says that some suspects were not found.
var errUnresolved = errors.New("not all names are known")

// resolver finds where in a layer the suspects are. Their names are those that
// an index knows, and those in folders that are suspects themselves: what was
// made, moved or linked since the index was written changed a folder.
type resolver struct {
	ctx      context.Context
	top      tree
	topInode uint64
	suspects Suspects
	left     map[uint64]uint32 // names not found yet
	found    map[string]struct{}
	folders  []string            // suspects still to be listed
	seeds    map[string][]dirent // suspects by folder, unless that is one too
	buf      []byte
}

// resolve returns the folders that are no suspects and the suspects in them; nil
// if some suspect has a name that was not found.
func resolve(ctx context.Context, layer string, suspects Suspects, names Names) ([]*folder, error) {
	top, err := openTop(layer)
	if err != nil {
		return nil, err
	}
	defer closeFD(top)
	r := &resolver{
		ctx: ctx, top: tree{layer, top}, suspects: suspects, left: maps.Clone(suspects),
		found: make(map[string]struct{}), seeds: make(map[string][]dirent), buf: make([]byte, direntBuffer),
	}
	err = r.run(names)
	if errors.Is(err, errUnresolved) || isGone(err) {
		return nil, nil
	}
	return r.folderSeeds(), err
}

func (r *resolver) run(names Names) error {
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.fromNames(names); err != nil {
		return err
	}
	for len(r.folders) > 0 {
		last := len(r.folders) - 1
		dir := r.folders[last]
		r.folders = r.folders[:last]
		if err := r.list(dir); err != nil {
			return err
		}
	}
	if len(r.left) > 0 {
		return r.outside()
	}
	return nil
}

// begin with the top, and leave out files without a name.
func (r *resolver) begin() error {
	s, err := lstatAt(r.top.fd, "")
	if err != nil {
		return err
	}
	r.topInode = s.Ino
	if r.suspects.has(s.Ino) {
		r.folders = append(r.folders, ".")
	}
	delete(r.left, s.Ino)
	maps.DeleteFunc(r.left, func(_ uint64, links uint32) bool { return links == 0 })
	return nil
}

// fromNames looks at the names that each suspect may have.
func (r *resolver) fromNames(names Names) error {
	at := newCursor(r.top.fd)
	defer at.close()
	// In the order of inodes, those of one folder mostly follow one another.
	for _, number := range slices.Sorted(maps.Keys(r.left)) {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		for _, name := range names.Lookup(number) {
			if err := r.candidate(at, number, name); err != nil && !isGone(err) {
				return err
			}
		}
	}
	return nil
}

func (r *resolver) candidate(at *cursor, number uint64, name string) error {
	dir, base := splitPath(name)
	fd, err := at.open(dir)
	if err != nil {
		return err
	}
	s, err := lstatAt(fd, base)
	if err != nil || s.Ino != number {
		return err
	}
	above, err := lstatAt(fd, "")
	if err != nil {
		return err
	}
	r.add(dir, above.Ino, dirent{name: base, inode: number, kind: byte(s.format() >> 12)})
	return nil
}

// add notes one name of a suspect.
func (r *resolver) add(dir string, above uint64, e dirent) {
	name := path.Join(dir, e.name)
	if _, known := r.found[name]; known {
		return
	}
	r.found[name] = struct{}{}
	isDir := e.kind == unix.DT_DIR
	if r.left[e.inode] <= 1 || isDir {
		delete(r.left, e.inode)
	} else {
		r.left[e.inode]--
	}
	if isDir {
		r.folders = append(r.folders, name)
	}
	if !r.suspects.has(above) {
		r.seeds[dir] = append(r.seeds[dir], e)
	}
}

// list looks for suspects in a folder that is one.
func (r *resolver) list(dir string) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	fd, err := openBeneath(r.top.fd, dir, readDir)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	s, err := lstatAt(fd, "")
	if err != nil {
		return err
	}
	entries, err := readFolder(fd, r.buf)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !r.suspects.has(e.inode) {
			continue
		}
		if e.kind == unix.DT_UNKNOWN {
			return errUnresolved
		}
		r.add(dir, s.Ino, e)
	}
	return nil
}

// folderSeeds are what the comparison begins with besides the top.
func (r *resolver) folderSeeds() []*folder {
	seeds := make([]*folder, 0, len(r.seeds))
	top := &folder{is: isOneNode}
	for dir, entries := range r.seeds {
		f := &folder{up: top, name: dir, is: isOneNode, seeds: entries}
		if dir == "." {
			f.up = nil
		}
		seeds = append(seeds, f)
	}
	return seeds
}
