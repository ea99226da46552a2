//go:build dmtest

package crash

import "testing"

const (
	recordsFail = `records can't be written.* look at the disk of ` + stateDir
	ioFailed    = `record.* ` + stateDir + `/metadata/.*: (input/output error|read-only file system)`
)

//vm:once
//vm:long
func TestADiskBelowTheStateFails(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{
		{"state", writesFail, recordsFail, ioFailed, mountAnew},
		{"state", gone, recordsFail, ioFailed, mountAnew},
		{"state", comesGoes, recordsFail, ioFailed, mountAnew},
	})
}
