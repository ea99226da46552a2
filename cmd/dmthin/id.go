package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/internal/admin"
)

const (
	digestLen = 64 // dockerd names layers by this many hex digits, "-init" appended for init layers
	shortLen  = 12 // as docker abbreviates
	maxShown  = 8  // candidates listed for an ambiguous prefix
)

// shortID abbreviates dockerd's hex names and leaves others, BuildKit's for
// instance, as they are: those don't tell themselves apart by their beginning.
func shortID(id string) string {
	if len(id) < digestLen || strings.Trim(id[:digestLen], "0123456789abcdef") != "" {
		return printable(id)
	}
	return id[:shortLen] + printable(id[digestLen:])
}

// findLayer takes a whole ID or a prefix that only one layer has.
func findLayer(ctx context.Context, c *admin.Client, name string) (admin.Layer, error) {
	layer, err := c.Layer(ctx, name)
	if name == "" || !errors.Is(err, admin.ErrNoLayer) {
		return layer, err
	}
	layers, err := c.Layers(ctx)
	if err != nil {
		return admin.Layer{}, err
	}
	return matchPrefix(layers, name)
}

func matchPrefix(layers []admin.Layer, prefix string) (admin.Layer, error) {
	var matches []admin.Layer
	for _, l := range layers {
		if strings.HasPrefix(l.ID, prefix) {
			matches = append(matches, l)
		}
	}
	if len(matches) == 0 {
		return admin.Layer{}, fmt.Errorf("%w: %q", admin.ErrNoLayer, prefix)
	}
	slices.SortFunc(matches, func(a, b admin.Layer) int { return strings.Compare(a.ID, b.ID) })
	// Every container brings its init layer of the same name; who types a
	// container's ID means the container. It sorts first, being shorter.
	first := matches[0]
	if len(matches) == 1 || len(matches) == 2 && matches[1].ID == first.ID+"-init" {
		return first, nil
	}
	return admin.Layer{}, ambiguous(prefix, matches)
}

func ambiguous(prefix string, matches []admin.Layer) error {
	var ids []string
	for _, l := range matches[:min(len(matches), maxShown)] {
		ids = append(ids, printable(l.ID))
	}
	if rest := len(matches) - len(ids); rest > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", rest))
	}
	return fmt.Errorf("%q is the beginning of %d layers: %s", prefix, len(matches), strings.Join(ids, ", "))
}
