//go:build dmtest

package main

import (
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestMain(m *testing.M) {
	dmtest.Main(m,
		`thin: (Creation|Deletion) of .* failed`,
		`thin: \d+:\d+: unable to (service pool target messages|switch pool to write mode)`,
		`thin: .*switching pool to read-only mode`,
		`pool target can't be`,
		`needs_check`,
	)
}
