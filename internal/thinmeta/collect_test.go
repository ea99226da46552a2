package thinmeta

import "testing"

// read is all that a Reader has to tell.
type contents struct {
	devices  []Device
	mappings map[uint32][]Mapping
}

func readAll(tb testing.TB, r *Reader) contents {
	tb.Helper()
	devices, err := r.Devices(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	all := contents{devices, map[uint32][]Mapping{}}
	for _, d := range devices {
		all.mappings[d.ID] = mappingsOf(tb, r, d.ID)
	}
	return all
}

func mappingsOf(tb testing.TB, r *Reader, id uint32) []Mapping {
	tb.Helper()
	var mappings []Mapping
	err := r.Mappings(tb.Context(), id, func(m Mapping) error {
		mappings = append(mappings, m)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return mappings
}

func diffOf(tb testing.TB, r *Reader, oldID, newID uint32) []Change {
	tb.Helper()
	var changes []Change
	err := r.Diff(tb.Context(), oldID, newID, func(c Change) error {
		changes = append(changes, c)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return changes
}
