package machine

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/test/vm/image"
)

func TestImageIsNeverWrittenToAndDisksAre(t *testing.T) {
	c := Config{Image: image.Image{Dir: "/cache/trixie"}, Accel: TCG, Disks: []string{"/w/data.img"}, CPUs: 2, Memory: "1G"}
	drives := valuesOf(c.args(), "-drive")
	if len(drives) != 2 {
		t.Fatalf("got drives %q", drives)
	}
	if !strings.Contains(drives[0], "snapshot=on") || !strings.Contains(drives[0], "/cache/trixie/root.img") {
		t.Errorf("the first drive is not a throw-away copy of the image: %s", drives[0])
	}
	if strings.Contains(drives[1], "snapshot=on") {
		t.Errorf("the data disk would not survive a power cut: %s", drives[1])
	}
}

func TestOnlyTheResultsFolderIsWritable(t *testing.T) {
	for _, share := range valuesOf(Config{In: "/i", Out: "/o", Repo: "/r"}.args(), "-virtfs") {
		writable := !strings.Contains(share, "readonly=on")
		if writable != strings.Contains(share, "mount_tag=out,") {
			t.Errorf("share %s", share)
		}
	}
}

func TestCommasInPathsAreNotSeparators(t *testing.T) {
	args := Config{Disks: []string{"/a,readonly=on/b"}}.args()
	if !slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "/a,,readonly=on/b") }) {
		t.Errorf("got %q", args)
	}
}

func valuesOf(args []string, flag string) []string {
	var values []string
	for i, a := range args {
		if a == flag {
			values = append(values, args[i+1])
		}
	}
	return values
}
