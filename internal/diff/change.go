package diff

import (
	"cmp"
	"fmt"
	"path"
	"slices"
)

// Kind says what happened to a path. The numbers are those of Docker's API.
type Kind int

// What Changes reports.
const (
	Modified Kind = iota
	Added
	Deleted
)

// String returns the letter that `docker diff` shows.
func (k Kind) String() string {
	switch k {
	case Modified:
		return "C"
	case Added:
		return "A"
	case Deleted:
		return "D"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Change is one difference between a layer and its parent.
type Change struct {
	Path string // absolute within the layer, clean
	Kind Kind
}

func (c Change) String() string { return c.Kind.String() + " " + c.Path }

func comparePaths(a, b Change) int { return cmp.Compare(a.Path, b.Path) }

// withFolders adds a Modified entry for every folder that has a change below it
// and none of its own, and sorts by path. Docker lists such folders because a
// tar of the changes needs their owner and mode. The top is never listed.
func withFolders(changes []Change) []Change {
	listed := make(map[string]struct{}, len(changes))
	for _, c := range changes {
		listed[c.Path] = struct{}{}
	}
	for _, c := range changes {
		for dir := path.Dir(c.Path); dir != "/"; dir = path.Dir(dir) {
			if _, ok := listed[dir]; ok {
				break
			}
			listed[dir] = struct{}{}
			changes = append(changes, Change{Path: dir, Kind: Modified})
		}
	}
	slices.SortFunc(changes, comparePaths)
	// A folder may have been come to by more ways than one.
	return slices.CompactFunc(changes, func(a, b Change) bool { return a.Path == b.Path })
}
