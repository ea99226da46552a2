//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
)

// TestMain refuses to run without what the tests need: a suite that skips is
// green without having looked at anything. It takes these variables:
//
//	DMTHIND           the daemon under test
//	DMTHIN            its command (default: beside the daemon)
//	DMTHIN_PLUGIN     the managed plugin's folder (default: "plugin" beside the daemon)
//	DMTHIN_DATA       a folder on a real disk (default: /var/lib/dmthin-test)
//	DMTHIN_ARTIFACTS  where logs go (default: the folder for temporary files)
func TestMain(m *testing.M) {
	var err error
	if env, err = loadEnvironment(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
