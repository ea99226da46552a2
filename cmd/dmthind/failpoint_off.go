//go:build !failpoint

package main

import (
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
)

// withFailpoints puts failpoints around the calls that the layer store makes.
// Without the build tag failpoint there are none.
func withFailpoints(s layer.System, _ *state.Store) layer.System { return s }
