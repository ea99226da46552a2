//go:build dmtest

package crash

import "testing"

const metadataFails = `metadata needs a check: a write to the metadata device failed|pool has failed: the metadata device|the disk below the pool.s metadata`

//vm:once
func TestADiskBelowTheMetadataTakesNoWrites(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{{"metadata", writesFail, metadataFails, repair}})
}

//vm:once
//vm:long
func TestADiskBelowTheMetadataFails(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{
		{"metadata", gone, metadataFails, repair},
		{"metadata", comesGoes, metadataFails, repair},
	})
}
