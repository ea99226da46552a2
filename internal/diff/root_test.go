//go:build roottest

package diff

import (
	"os"
	"testing"

	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		panic("these tests make devices and change owners: run them as root")
	}
	os.Exit(m.Run())
}

func TestOwnersDevicesAndCapabilitiesEqualDockers(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) { checkAgainstDocker(t, base, true) })
}
