//go:build dmtest

package takeover

import (
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestMain(m *testing.M) {
	dmtest.Main(m,
		`(XFS|EXT4-fs) .dm-[0-9]+.: (User initiated shutdown|shut down requested|Log I/O Error)`,
	)
}
