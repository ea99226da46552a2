//go:build dmtest

package dmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Loop returns a loop device on a sparse file of this many bytes. Both are gone
// when the test ends.
func Loop(t testing.TB, size int64) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backing")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	device := strings.TrimSpace(Run(t, "losetup", "--find", "--show", "--direct-io=off", file))
	t.Cleanup(func() { Run(t, "losetup", "--detach", device) })
	return device
}

// Run runs a program that must succeed, and returns what it printed.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
