package diff

import (
	"context"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"
)

// WriteAll writes a whole layer as a tar: each folder before what is in it,
// names sorted, the top itself left out. What happens when the layer changes
// meanwhile is as with WriteChanges. Memory grows with the depth of the tree and
// the size of its largest folders, not with the layer.
func WriteAll(ctx context.Context, w io.Writer, layer string, ids IDMaps) error {
	return export(ctx, w, layer, ids, func(at *cursor, add func(exportEntry) error) error {
		t := treeWalk{ctx: ctx, at: at, add: add, names: make([]byte, direntBuffer)}
		return t.walk()
	})
}

// treeWalk visits a tree depth first, with a stack of its own: a container can
// make trees deeper than any recursion.
type treeWalk struct {
	ctx   context.Context
	at    *cursor
	add   func(exportEntry) error
	names []byte
	stack []pendingNames
}

// pendingNames are those of one folder that are still to be written.
type pendingNames struct {
	dir   string
	names []dirent
}

func (t *treeWalk) walk() error {
	if err := t.push("/"); err != nil {
		return err
	}
	for len(t.stack) > 0 {
		last := &t.stack[len(t.stack)-1]
		if len(last.names) == 0 {
			t.stack = t.stack[:len(t.stack)-1]
			continue
		}
		name := last.names[0]
		last.names = last.names[1:]
		if err := t.visit(last.dir, name); err != nil {
			return err
		}
	}
	return nil
}

func (t *treeWalk) visit(dir string, name dirent) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	file := path.Join(dir, name.name)
	if name.kind == unix.DT_UNKNOWN {
		s, err := t.at.stat(file)
		if isGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("write %q to tar: %w", file, err)
		}
		name.kind = byte(s.format() >> 12)
	}
	if err := t.add(exportEntry{path: file, kind: name.kind}); err != nil || name.kind != unix.DT_DIR {
		return err
	}
	return t.push(file)
}

// push reads a folder. One that is gone by now is empty.
func (t *treeWalk) push(dir string) error {
	rel := "."
	if dir != "/" {
		rel = dir[1:]
	}
	fd, err := t.at.open(rel)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open folder %q: %w", dir, err)
	}
	names, err := readFolder(fd, t.names)
	if err != nil && !isGone(err) {
		return fmt.Errorf("read folder %q: %w", dir, err)
	}
	t.stack = append(t.stack, pendingNames{dir, names})
	return nil
}
