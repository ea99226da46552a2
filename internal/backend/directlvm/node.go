package directlvm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nodeOf returns the device node of MAJOR:MINOR, by the kernel's own name.
func nodeOf(number string) (string, error) {
	uevent, err := os.ReadFile(filepath.Join("/sys/dev/block", number, "uevent"))
	if err != nil {
		return "", fmt.Errorf("name of device %s: %w", number, err)
	}
	for line := range strings.Lines(string(uevent)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
			return "/dev/" + name, nil
		}
	}
	return "", fmt.Errorf("name of device %s: the kernel has none", number)
}
