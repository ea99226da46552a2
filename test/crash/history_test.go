package crash

import (
	"strings"
	"testing"
)

func TestWhatIsFoundIsComparedWithWhatWasAcknowledged(t *testing.T) {
	two := map[string]string{"x": "1", "y": "2"}
	old := operation{verb: write, layer: "a", files: map[string]string{"old": "0"}}
	created := operation{verb: create, layer: "a"}
	for name, tt := range map[string]struct {
		operations []operation
		last       progress // of the last one; those before it are acknowledged
		got        found
		wrong      string // part of it; empty: nothing
	}{
		"created":                  {[]operation{created}, acknowledged, found{exists: true}, ""},
		"created and lost":         {[]operation{created}, acknowledged, found{}, "lost"},
		"being created, there":     {[]operation{created}, underWay, found{exists: true}, ""},
		"being created, not there": {[]operation{created}, underWay, found{}, ""},
		"not asked for":            {[]operation{created}, notBegun, found{exists: true}, "never asked for"},
		"a file lost":              {[]operation{created, old}, acknowledged, found{exists: true}, "old is lost"},
		"a file changed":           {[]operation{created, old}, acknowledged, found{exists: true, files: map[string]string{"old": "?"}}, "something else"},
		"a file unasked":           {[]operation{created}, acknowledged, found{exists: true, files: two}, "unasked"},
		"a file half written":      {[]operation{created, old}, underWay, found{exists: true, files: map[string]string{"old": ""}}, ""},
		"filled":                   {[]operation{created, {verb: fill, layer: "a", files: two}}, acknowledged, found{exists: true, files: two}, ""},
		"filled, unusable":         {[]operation{created, {verb: fill, layer: "a", files: two}}, acknowledged, found{exists: true, unfinished: true}, "can't be used"},
		"being filled, unusable":   {[]operation{created, {verb: fill, layer: "a", files: two}}, underWay, found{exists: true, unfinished: true}, ""},
		"being filled, whole":      {[]operation{created, {verb: fill, layer: "a", files: two}}, underWay, found{exists: true, files: two}, ""},
		"being filled, in part":    {[]operation{created, {verb: fill, layer: "a", files: two}}, underWay, found{exists: true, files: map[string]string{"x": "1"}}, "in part"},
		"being filled, torn":       {[]operation{created, {verb: fill, layer: "a", files: two}}, underWay, found{exists: true, files: map[string]string{"x": "1", "y": ""}}, "torn [y]"},
		"removed":                  {[]operation{created, {verb: remove, layer: "a"}}, acknowledged, found{}, ""},
		"removed and back":         {[]operation{created, {verb: remove, layer: "a"}}, acknowledged, found{exists: true}, "was removed"},
		"being removed, there":     {[]operation{created, {verb: remove, layer: "a"}}, underWay, found{exists: true}, ""},
		"being removed, emptied":   {[]operation{created, old, {verb: remove, layer: "a"}}, underWay, found{exists: true}, "old is lost"},
	} {
		at := make([]progress, len(tt.operations))
		for n := range at {
			at[n] = acknowledged
		}
		at[len(at)-1] = tt.last
		wrong := strings.Join(expect(tt.operations, at)["a"].compare("a", tt.got, two), "; ")
		if (tt.wrong == "") != (wrong == "") || !strings.Contains(wrong, tt.wrong) {
			t.Errorf("%s: %q is wrong, want %q", name, wrong, tt.wrong)
		}
	}
}

func TestAChildBeginsWithItsParentsFiles(t *testing.T) {
	operations := []operation{
		{verb: create, layer: "a"},
		{verb: fill, layer: "a", files: map[string]string{"x": "1"}},
		{verb: create, layer: "b", parent: "a"},
	}
	at := []progress{acknowledged, acknowledged, acknowledged}
	b := expect(operations, at)["b"]
	if wrong := b.compare("b", found{exists: true}, nil); len(wrong) != 1 || !strings.Contains(wrong[0], "x is lost") {
		t.Errorf("a child without its parent's file: %q", wrong)
	}
}

func TestThePoolIsAsLargeAsItsLargestAcknowledgedGrowth(t *testing.T) {
	operations := []operation{
		{verb: create, layer: "a"},
		{verb: grow, pool: poolSize{data: 3, metadata: 1}},
		{verb: grow, pool: poolSize{data: 2, metadata: 2}},
		{verb: grow, pool: poolSize{data: 9, metadata: 9}},
	}
	at := []progress{acknowledged, acknowledged, acknowledged, underWay}
	if got := grownTo(operations, at); got != (poolSize{data: 3, metadata: 2}) {
		t.Errorf("got %v", got)
	}
	if layers := expect(operations, at); len(layers) != 1 {
		t.Errorf("layers %v", layers)
	}
}

func TestOnlyLeavesAreChanged(t *testing.T) {
	for seed := range uint64(200) {
		g := newGenerator(seed, "a")
		children, parents := map[string]int{}, map[string]string{}
		for range 30 {
			o := g.next()
			switch {
			case o.verb == create:
				children[o.parent]++
				parents[o.layer] = o.parent
			case children[o.layer] > 0:
				t.Fatalf("seed %d: %s, which has children", seed, o)
			case o.verb == remove:
				children[parents[o.layer]]--
			}
		}
	}
}
