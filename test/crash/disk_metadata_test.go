//go:build dmtest

package crash

import "testing"

const (
	metadataFails = `metadata needs a check: a write to the metadata device failed|pool has failed: the metadata device|the disk below the pool.s metadata`
	poolFails     = `the pool is read-only|the pool has failed|needs a check|the disk below the pool.s metadata`
)

//vm:once
func TestADiskBelowTheMetadataTakesNoWrites(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{{"metadata", writesFail, metadataFails, poolFails, repair}})
}

//vm:once
//vm:long
func TestADiskBelowTheMetadataFails(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{
		{"metadata", gone, metadataFails, poolFails, repair},
		{"metadata", comesGoes, metadataFails, poolFails, repair},
	})
}
