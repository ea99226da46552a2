package check

import "slices"

// Layer is one layer with its parent, empty for the base device.
type Layer struct {
	ID, Parent string
}

// Unnamed returns the layers that nobody names and that no named layer stems
// from, children before their parents: in this order they can be removed.
func Unnamed(layers []Layer, named func(id string) bool) []string {
	parents := make(map[string]string, len(layers))
	for _, l := range layers {
		parents[l.ID] = l.Parent
	}
	needed := map[string]bool{}
	for _, l := range layers {
		if !named(l.ID) {
			continue
		}
		for id := l.ID; id != "" && !needed[id]; id = parents[id] {
			needed[id] = true
		}
	}
	var ids []string
	for _, l := range layers {
		if !needed[l.ID] {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	return childrenFirst(ids, parents)
}

// childrenFirst orders layers by how many ancestors they have. A chain that
// leads back to itself, which only damaged records can have, ends where it
// started.
func childrenFirst(ids []string, parents map[string]string) []string {
	depth := func(id string) (n int) {
		seen := map[string]bool{}
		for ; id != "" && !seen[id]; id = parents[id] {
			seen[id] = true
			n++
		}
		return n
	}
	depths := make(map[string]int, len(ids))
	for _, id := range ids {
		depths[id] = depth(id)
	}
	slices.SortStableFunc(ids, func(a, b string) int { return depths[b] - depths[a] })
	return ids
}
