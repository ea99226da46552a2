//go:build dmtest

package filesystem

import "testing"

// Growing a mounted ext4 takes CAP_SYS_RESOURCE, which the sandbox of a build
// machine often withholds from root: hence in the VM.
func TestGrowFillsTheDeviceWhileMountedExt4(t *testing.T) { growAndCheck(t, Ext4) }
