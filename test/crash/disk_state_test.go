//go:build dmtest

package crash

import "testing"

const recordsFail = `records can't be written.* look at the disk of ` + stateDir

//vm:once
//vm:long
func TestADiskBelowTheStateFails(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{
		{"state", writesFail, recordsFail, mountAnew},
		{"state", gone, recordsFail, mountAnew},
		{"state", comesGoes, recordsFail, mountAnew},
	})
}
