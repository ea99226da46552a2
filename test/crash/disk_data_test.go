//go:build dmtest

package crash

import "testing"

const dataFails = `the disk below the pool's data fails`

//vm:once
//vm:long
func TestADiskBelowTheDataFails(t *testing.T) {
	requireSurvivedFaults(t, []diskFault{
		{"data", readsFail, dataFails, dataFails, nothing},
		{"data", writesFail, dataFails + "|" + metadataFails, dataFails + "|" + poolFails, repair},
		{"data", gone, dataFails, dataFails, nothing},
		{"data", comesGoes, dataFails + "|" + metadataFails, dataFails + "|" + poolFails, repair},
	})
}
