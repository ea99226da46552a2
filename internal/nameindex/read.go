package nameindex

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxCached bounds the pages kept in memory, 4 KiB on disk each.
const maxCached = 512

// Index looks names up in the indices of a layer and of those below it. One
// goroutine at a time may use it.
type Index struct {
	files  []*os.File
	pages  []int // how many each file has
	cached map[place][]byte
}

// place is a page of a file.
type place struct{ file, page int }

// Open opens the indices of the layer in a folder. That there are none is no
// error.
func Open(layer string) (*Index, error) {
	x := &Index{cached: make(map[place][]byte)}
	if isMountPoint(layer) {
		return x, nil
	}
	dir := folder(layer)
	numbers, err := list(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		// A layer that is only read must not get a new access time.
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(n)), os.O_RDONLY|unix.O_NOATIME|unix.O_NOFOLLOW, 0)
		if err != nil {
			x.Close()
			return nil, fmt.Errorf("open name index: %w", err)
		}
		x.files = append(x.files, f)
		info, err := f.Stat()
		if err != nil {
			x.Close()
			return nil, fmt.Errorf("open name index: %w", err)
		}
		x.pages = append(x.pages, int(info.Size()/pageSize))
	}
	return x, nil
}

// Close closes the files.
func (x *Index) Close() {
	for _, f := range x.files {
		f.Close()
	}
}

// Lookup returns the names an inode had in the tars of the layers, the newest
// layer's first.
func (x *Index) Lookup(inode uint64) []string {
	var names []string
	for i := range x.files {
		names = x.inFile(i, inode, names)
	}
	return names
}

// inFile begins with the page before the first one that begins at the inode or
// behind: its names may spread over several.
func (x *Index) inFile(file int, inode uint64, names []string) []string {
	first := sort.Search(x.pages[file], func(page int) bool {
		b := x.page(place{file, page})
		return b != nil && firstInode(b) >= inode
	})
	for page := max(first-1, 0); page < x.pages[file]; page++ {
		b := x.page(place{file, page})
		if b == nil {
			continue
		}
		var more bool
		if names, more = search(b, inode, names); !more {
			break
		}
	}
	return names
}

// page returns a whole page, nil for one that is damaged.
func (x *Index) page(p place) []byte {
	if b, ok := x.cached[p]; ok {
		return b
	}
	b := make([]byte, pageSize)
	if _, err := x.files[p.file].ReadAt(b, int64(p.page)*pageSize); err != nil || !whole(b) {
		b = nil
	}
	if len(x.cached) >= maxCached {
		clear(x.cached)
	}
	x.cached[p] = b
	return b
}
