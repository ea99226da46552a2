package nameindex

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Entry is a name of an inode, relative to the layer's folder.
type Entry struct {
	Inode uint64
	Name  string
}

// folder is where the indices of a layer and of those below it are, beside the
// layer's own folder. Each is named by a number, the newest by the highest.
func folder(layer string) string { return filepath.Join(filepath.Dir(layer), "names") }

// Write adds an index to the layer in a folder; it sorts entries. It writes none
// if the folder is the whole of its filesystem. Syncing is left to the caller,
// who syncs the layer.
func Write(layer string, entries []Entry) error {
	if len(entries) == 0 || isMountPoint(layer) {
		return nil
	}
	dir := folder(layer)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the folder of name indices: %w", err)
	}
	numbers, err := list(dir)
	if err != nil {
		return err
	}
	next := 1
	if len(numbers) > 0 {
		next = numbers[0] + 1
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.Name, b.Name))
	})
	path := filepath.Join(dir, strconv.Itoa(next))
	if err := writeFile(path, entries); err != nil {
		return errors.Join(fmt.Errorf("write name index: %w", err), os.Remove(path))
	}
	return nil
}

// isMountPoint reports whether what is beside a folder is on another filesystem.
func isMountPoint(dir string) bool {
	var at, above unix.Stat_t
	return unix.Lstat(dir, &at) != nil || unix.Lstat(filepath.Dir(dir), &above) != nil || at.Dev != above.Dev
}

func writeFile(path string, entries []Entry) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 16*pageSize)
	var p page
	for _, e := range entries {
		if len(e.Name) > maxName {
			continue
		}
		if !p.add(e) {
			_, _ = out.Write(p.seal()) // Flush tells of errors
			p.add(e)
		}
	}
	if p.count > 0 {
		_, _ = out.Write(p.seal())
	}
	return errors.Join(out.Flush(), f.Close())
}

// list returns the numbers of the indices in a folder, the newest first.
func list(dir string) ([]int, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list name indices: %w", err)
	}
	var numbers []int
	for _, f := range files {
		if n, err := strconv.Atoi(f.Name()); err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b int) int { return cmp.Compare(b, a) })
	return numbers, nil
}
