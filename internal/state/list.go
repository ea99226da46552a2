package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// maxListings bounds how often the directory is listed because files that it
// had were gone when their turn came.
const maxListings = 10

// readAtOnce is how many files are read at a time. After a reboot most of the
// time goes by waiting for the disk.
const readAtOnce = 8

// list lists a folder of records, in no order.
func list(path string) ([]fs.DirEntry, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	entries, err := dir.ReadDir(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return entries, nil
}

// readAll reads the files of the metadata directory that are wanted, by name. One
// that is gone when its turn comes may be a layer's record that is being buried:
// it has another name by now, which a new listing shows.
func readAll[T any](s *Store, wanted func(fs.DirEntry) bool, read func(name string) (T, error)) (map[string]T, error) {
	found := map[string]T{}
	seen := map[string]bool{}
	for range maxListings {
		entries, err := list(s.metadata)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, e := range entries {
			if !seen[e.Name()] && wanted(e) {
				names = append(names, e.Name())
			}
			seen[e.Name()] = true
		}
		anyGone, err := readEach(names, read, found)
		if err != nil {
			return nil, err
		}
		if !anyGone {
			break
		}
	}
	return found, nil
}

// readEach adds what it reads to found.
func readEach[T any](names []string, read func(name string) (T, error), found map[string]T) (anyGone bool, err error) {
	var mu sync.Mutex // protects found and anyGone
	var next atomic.Int64
	var readers errgroup.Group
	for range min(readAtOnce, len(names)) {
		readers.Go(func() error {
			for {
				at := int(next.Add(1)) - 1
				if at >= len(names) {
					return nil
				}
				content, err := read(names[at])
				gone := errors.Is(err, fs.ErrNotExist)
				if err != nil && !gone {
					return err
				}
				mu.Lock()
				if gone {
					anyGone = true
				} else {
					found[names[at]] = content
				}
				mu.Unlock()
			}
		})
	}
	err = readers.Wait()
	return anyGone, err
}
