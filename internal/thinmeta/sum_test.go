package thinmeta

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// Two metadata hold the same pool in nodes of different sizes, as those of the kernel
// and of thin_repair are.
func TestSumsAreEqualWhereMappingsAre(t *testing.T) {
	dir, another := t.TempDir(), t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPool(t)
		wide, done := openBytes(t, dir, p.metadata(16).bytes())
		defer done()
		narrow, done := openBytes(t, another, p.metadata(rapid.SampledFrom([]uint64{2, 3}).Draw(t, "width")).bytes())
		defer done()
		one, other := wide.Sums(), narrow.Sums()
		for a := range p {
			for b := range p {
				sum, err := one.Device(t.Context(), a)
				if err != nil {
					t.Fatal(err)
				}
				otherSum, err := other.Device(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				if same := maps.Equal(p[a], p[b]); same != (sum == otherSum) {
					t.Fatalf("devices %d and %d: the same is %t, their sums are %x and %x", a, b, same, sum, otherSum)
				}
			}
		}
	})
}
