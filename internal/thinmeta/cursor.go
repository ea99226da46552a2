package thinmeta

import "context"

// cursor passes through a tree from the lowest key to the highest. It stops at
// subtrees too, so that its user can leave one out instead of going into it.
type cursor struct {
	tree    tree
	pending []item // the next one last
}

// item is an entry, or a subtree when it has no value.
type item struct {
	subtree // of an entry only low is set, its key
	value   []byte
}

func (i item) isSubtree() bool { return i.value == nil }

func (t tree) cursor() *cursor {
	return &cursor{tree: t, pending: []item{{subtree: t.root}}}
}

func (c *cursor) done() bool { return len(c.pending) == 0 }
func (c *cursor) next() item { return c.pending[len(c.pending)-1] }
func (c *cursor) drop()      { c.pending = c.pending[:len(c.pending)-1] }

// expand replaces the next item, a subtree, by what its top node holds.
func (c *cursor) expand(ctx context.Context) error {
	s := c.next().subtree
	n, err := c.tree.node(ctx, s)
	if err != nil {
		return err
	}
	c.drop()
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.leaf {
			c.pending = append(c.pending, item{subtree{low: n.keys[i]}, n.values[i]})
		} else {
			c.pending = append(c.pending, item{subtree: s.child(n, i)})
		}
	}
	return nil
}
