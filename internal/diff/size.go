package diff

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// Size returns how many bytes the changed files of a layer hold: the lengths of
// everything but folders, hard links among the changes counted once. Paths that
// are gone by now count nothing.
func Size(ctx context.Context, layer string, changes []Change) (int64, error) {
	top, err := openTop(layer)
	if err != nil {
		return 0, err
	}
	defer closeFD(top)
	at := newCursor(top)
	defer at.close()

	var total int64
	counted := make(map[uint64]struct{})
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if c.Kind == Deleted {
			continue
		}
		s, err := at.stat(c.Path)
		if isGone(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("stat %q: %w", c.Path, err)
		}
		if s.isDir() {
			continue
		}
		if s.Nlink > 1 {
			if _, ok := counted[s.Ino]; ok {
				continue
			}
			counted[s.Ino] = struct{}{}
		}
		total += s.length()
	}
	return total, nil
}

// stat looks at an absolute path within the layer.
func (c *cursor) stat(file string) (stat, error) {
	dir, name := splitPath(file)
	fd, err := c.open(dir)
	if err != nil {
		return stat{}, err
	}
	return lstatAt(fd, name)
}

// splitPath cuts an absolute path within a layer into the folder, relative to
// the top, and the name in it.
func splitPath(file string) (dir, name string) {
	dir, name = path.Split(path.Clean("/" + file)[1:])
	if dir == "" {
		return ".", name
	}
	return strings.TrimSuffix(dir, "/"), name
}
