package crash

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes sequences of operations as dockerd could ask for them: only
// layers without children are filled or written to, or removed.
type generator struct {
	*rand.Rand
	client string   // begins the names of its layers
	sizes  []string // of layers
	grow   bool     // the pool, which only one client does
	busy   bool     // some layers are removed while in use
	layers []*growing
	made   int
	files  int
	grown  int
}

// growing is a layer as the generator knows it.
type growing struct {
	name     string
	parent   *growing
	children int
	fresh    bool // nothing was written to it
}

// The sizes of a pool in loop files when it is made.
const (
	loopData     = 128 << 20
	loopMetadata = 4 << 20
)

func newGenerator(seed uint64, client string) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 6)), client: client, sizes: []string{"48M", "96M"}}
}

// next returns the next operation.
func (g *generator) next() operation {
	leaf := g.leaf()
	switch n := g.IntN(10); {
	case g.grow && g.IntN(4) == 0:
		g.grown++
		return operation{verb: grow, pool: poolSize{loopData + int64(g.grown)<<24, loopMetadata + int64(g.grown)<<20}}
	case leaf == nil || n < 3:
		return g.create()
	case leaf.fresh && n < 8:
		leaf.fresh = false
		return operation{verb: fill, layer: leaf.name, files: g.content(5), held: g.IntN(2) == 0}
	case n < 8:
		leaf.fresh = false
		return operation{verb: write, layer: leaf.name, files: g.content(1)}
	default:
		g.drop(leaf)
		return operation{verb: remove, layer: leaf.name, held: g.busy && g.IntN(2) == 0}
	}
}

func (g *generator) leaf() *growing {
	var leaves []*growing
	for _, l := range g.layers {
		if l.children == 0 {
			leaves = append(leaves, l)
		}
	}
	if len(leaves) == 0 {
		return nil
	}
	return leaves[g.IntN(len(leaves))]
}

func (g *generator) create() operation {
	g.made++
	l := &growing{name: fmt.Sprintf("%s%d", g.client, g.made), fresh: true}
	o := operation{verb: create, layer: l.name}
	if len(g.layers) > 0 && g.IntN(3) > 0 {
		l.parent = g.layers[g.IntN(len(g.layers))]
		l.parent.children++
		o.parent = l.parent.name
	}
	if g.IntN(5) == 0 {
		o.size = g.sizes[g.IntN(len(g.sizes))]
	}
	g.layers = append(g.layers, l)
	return o
}

func (g *generator) drop(leaf *growing) {
	if leaf.parent != nil {
		leaf.parent.children--
	}
	for n, l := range g.layers {
		if l == leaf {
			g.layers = append(g.layers[:n], g.layers[n+1:]...)
			return
		}
	}
}

func (g *generator) content(files int) map[string]string {
	content := map[string]string{}
	for range files {
		g.files++
		word := fmt.Sprintf("%s-%d-%d ", g.client, g.files, g.Uint32())
		content[fmt.Sprintf("f%d", g.files)] = strings.Repeat(word, 1+g.IntN(2000))
	}
	return content
}
