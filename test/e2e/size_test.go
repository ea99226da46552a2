//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"
)

// fill writes until there is no space and says how much that took. Nothing but
// memory is left to hold what dd says.
const fill = `said=$(dd if=/dev/zero of=/full bs=1M 2>&1); case $said in *"No space left"*) stat -c %s /full;; *) echo "$said";; esac`

// requireCapacity runs a container that fills its filesystem. It must hold
// what its size says, less what the filesystem needs: up to 15 %, and a journal
// as the base device's size asks for.
func requireCapacity(t *testing.T, s *stack, filesystem string, mebibytes int64, flags ...string) {
	t.Helper()
	out := s.foreground(t, "busybox", fill, flags...)
	written, err := strconv.ParseInt(out, 10, 64)
	if err != nil {
		t.Fatalf("filling the container ended otherwise than by a full filesystem: %q", out)
	}
	size := mebibytes << 20
	t.Logf("%d of %d bytes could be written", written, size)
	least := size*85/100 - map[string]int64{"ext4": 16 << 20, "xfs": 64 << 20}[filesystem]
	if written > size || written < least {
		t.Errorf("%d bytes could be written into a container of %d bytes", written, size)
	}
}

// containerSizes are those above and below the base device's, each enforced.
func containerSizes(t *testing.T, s *stack) {
	requireCapacity(t, s, "ext4", 320, "--storage-opt", "size=320M")
	requireCapacity(t, s, "ext4", 128, "--storage-opt", "size=128M") // below the base device's
	for size, reason := range map[string]string{
		"size=1M":    "", // the text is the filesystem's; that it is refused counts
		"size=large": "large",
		"sized=1G":   "sized",
	} {
		_, err := s.try("run", "--rm", "--network", "none", "--storage-opt", size, "busybox", "true")
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("docker run --storage-opt %s: %v", size, err)
		}
	}
}

// biggerBase restarts dockerd with a bigger base size: containers made from
// then on are bigger, those there were keep their size and content.
func biggerBase(t *testing.T, s *stack) {
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	s.background(t, "old", "busybox", "echo kept >/file; sync; sleep 1000")
	s.restart(t, "dm.basesize=300M")
	if _, rows := s.info(t); rows[2][1] != "314.6MB" {
		t.Errorf("docker info says %s", rows[2])
	}
	requireCapacity(t, s, "ext4", 300)
	s.run(t, "start", "old")
	if got := s.shell(t, "old", "cat /file"); got != "kept" {
		t.Errorf("the old container's file holds %q", got)
	}
	if got := s.container(t, "old").GraphDriver.Data["DeviceSize"]; got != "268435456" {
		t.Errorf("the old container's size is %s now", got)
	}
	s.run(t, "rm", "-f", "old")
	s.run(t, "rmi", "busybox")
}
