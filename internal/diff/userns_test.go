//go:build roottest

package diff

import (
	"archive/tar"
	"os"
	"syscall"
	"testing"
)

// inNamespace is set for the copy of this test that runs in a user namespace.
const inNamespace = "DIFF_TEST_USER_NAMESPACE"

func TestDevicesAreLeftOutInAUserNamespace(t *testing.T) {
	if dir := os.Getenv(inNamespace); dir != "" {
		b := newTarball(t).add(tar.Header{Typeflag: tar.TypeChar, Name: "device", Devmajor: 1, Devminor: 3}, "")
		mustApply(t, dir, b.file("file", "").bytes())
		return
	}
	dir := t.TempDir()
	rootOnly := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	process, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], "-test.run=^" + t.Name() + "$"}, &os.ProcAttr{
		Env:   append(os.Environ(), inNamespace+"="+dir),
		Files: []*os.File{nil, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: rootOnly, GidMappings: rootOnly},
	})
	if err != nil {
		t.Fatal(err)
	}
	state, err := process.Wait()
	if err != nil || !state.Success() {
		t.Fatalf("in the namespace: %v, %v", state, err)
	}
	tree := describe(t, dir, false)
	if _, ok := tree["device"]; ok || len(tree) != 2 {
		t.Errorf("got %v", tree)
	}
}
