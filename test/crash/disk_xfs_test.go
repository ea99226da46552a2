//go:build dmtest

package crash

import (
	"testing"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// onXFS gives the layers of the test xfs.
func onXFS(t *testing.T) {
	t.Helper()
	requireNoError(t, kernellog.Expect(`XFS \(`))
	ext4 := onLab
	t.Cleanup(func() { onLab = ext4 })
	onLab = onLabXFS
}

// xfs stops itself at once where it can't write, where ext4 goes on read-only.
//
//vm:once
//vm:long
func TestADiskBelowXFSLayersFails(t *testing.T) {
	onXFS(t)
	requireSurvivedFaults(t, []diskFault{
		{"data", readsFail, dataFails, dataFails, nothing},
		{"data", gone, dataFails, dataFails, nothing},
		{"metadata", gone, metadataFails, poolFails, repair},
	})
}
