package image

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// format is part of every key: raise it when this package builds images
// differently from the same inputs.
const format = "1"

//go:embed initramfs-init
var initramfsInit string

// key names the image that d's inputs lead to. The mirror is no input: the
// same release from another host is the same image.
func (d Distro) key() string {
	h := sha256.New()
	for _, part := range []string{
		format, d.Name, initramfsInit,
		strings.Join(d.include(), " "), strings.Join(excluded, " "), strings.Join(bootModules, " "),
	} {
		fmt.Fprintf(h, "%d:%s\n", len(part), part)
	}
	return d.Name + "-" + hex.EncodeToString(h.Sum(nil))[:12]
}
