//go:build soak

package crash

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// client does one call after the other.
type client struct {
	g    *generator
	owes string // the layer whose last call had no answer
}

func newClient(seed uint64, n int) *client {
	return &client{g: newGenerator(seed+uint64(n)*1000, fmt.Sprintf("c%02d-", n))}
}

// mostLayers bounds how many layers a client has.
const mostLayers = 3

func (c *client) next() operation {
	if len(c.g.layers) < mostLayers {
		return c.g.next()
	}
	leaf := c.g.leaf()
	if c.g.IntN(2) == 0 && !leaf.fresh {
		return operation{verb: write, layer: leaf.name, files: c.g.content(1)}
	}
	c.g.drop(leaf)
	return operation{verb: remove, layer: leaf.name}
}

// work goes on until it is over. A call that fails before that is an error.
func (c *client) work(d *daemon, r *recorder, s *spent, over <-chan struct{}) error {
	for !closed(over) {
		o := c.next()
		begin := time.Now()
		if err := r.perform(d, o); err != nil {
			c.owes = o.layer
			if closed(over) {
				return nil
			}
			return fmt.Errorf("%s: %w", o, err)
		}
		s.add(o.verb, time.Since(begin))
	}
	return nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// settle removes the layer that it is not known of what became.
func (c *client) settle(d *daemon, r *recorder) error {
	if c.owes == "" {
		return nil
	}
	name := c.owes
	c.owes = ""
	if n := slices.IndexFunc(c.g.layers, func(l *growing) bool { return l.name == name }); n >= 0 {
		c.g.drop(c.g.layers[n])
	}
	return r.perform(d, operation{verb: remove, layer: name})
}

// removeAll removes children before their parents, which are older.
func (c *client) removeAll(d *daemon, r *recorder) error {
	for _, l := range slices.Backward(slices.Clone(c.g.layers)) {
		c.g.drop(l)
		if err := r.perform(d, operation{verb: remove, layer: l.name}); err != nil {
			return err
		}
	}
	return nil
}

// forgetRemoved drops what was done to layers that are gone, so that comparing
// takes no longer after hours. Nothing may be under way.
func (r *recorder) forgetRemoved() {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := map[string]bool{}
	for n, o := range r.operations {
		gone[o.layer] = o.verb == remove && r.acked[n]
	}
	var operations []operation
	var acked []bool
	for n, o := range r.operations {
		if !gone[o.layer] {
			operations, acked = append(operations, o), append(acked, r.acked[n])
		}
	}
	r.operations, r.acked = operations, acked
}

// spent is how long the calls of a round took.
type spent struct {
	began, ended time.Time

	mu    sync.Mutex
	calls []timedCall
}

type timedCall struct {
	verb verb
	took time.Duration
}

func (s *spent) add(v verb, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, timedCall{v, took})
}

// rate is how many calls a second were answered.
func (s *spent) rate() float64 { return float64(len(s.calls)) / s.ended.Sub(s.began).Seconds() }
