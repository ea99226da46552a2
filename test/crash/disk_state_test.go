//go:build dmtest

package crash

import "testing"

const (
	recordsFail = `records can't be written.* look at the disk of ` + stateDir
	ioFailed    = `record.* ` + stateDir + `/metadata/.*: (input/output error|read-only file system)`
	orNothing   = `|^$`
)

//vm:once
//vm:long
func TestADiskBelowTheStateFails(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{
		{"state", writesFail, recordsFail, ioFailed, mountAnew},
		{"state", gone, recordsFail, ioFailed, mountAnew},
		// Only a commit of the journal that fails ends the filesystem. A record that
		// could not be written in place can be once the disk is back.
		{"state", comesGoes, recordsFail + orNothing, ioFailed, mountAnew},
	})
}
