//go:build dmtest

package crash

import (
	"slices"
	"testing"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// onXFS gives the layers of the test xfs. It is made no smaller than this.
func onXFS(t *testing.T) {
	t.Helper()
	requireNoError(t, kernellog.Expect(`XFS \(`))
	whole := onLab.options
	t.Cleanup(func() { onLab.options = whole })
	onLab.options = append(slices.Clone(whole), "dm.fs=xfs", "dm.basesize=320M")
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
