// Package image builds bootable disk images of Debian releases from the
// machine's own package mirror, and keeps them under a key of their inputs. It
// does not boot them; package machine does.
package image

import (
	"fmt"
	"slices"
	"strings"
)

// Distro is a Debian release that tests run on.
type Distro struct {
	Name     string   // Debian's codename
	About    string   // what is particular about it
	packages []string // besides the common ones
}

// Distros are the releases known, the default first.
var Distros = []Distro{
	{
		Name:     "trixie",
		About:    "Debian 13: kernel 6.12, Docker 26.1",
		packages: []string{"docker-cli", "docker-buildx"},
	},
	{
		Name:  "bookworm",
		About: "Debian 12: kernel 6.1, Docker 20.10",
	},
}

// common are the packages of every image.
var common = []string{
	"linux-image-amd64", "kmod", "udev", "procps", "util-linux", "iproute2", "iptables", "busybox-static",
	"lvm2", "dmsetup", "thin-provisioning-tools", "xfsprogs", "e2fsprogs", "attr", "acl", "libcap2-bin",
	"docker.io", "containerd", "runc", "docker-registry", "ca-certificates", "xz-utils",
}

// excluded are paths no test looks at. Leaving them out halves the time to
// build an image and its size.
var excluded = []string{
	"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/i18n/*",
	"*/lib/modules/*/kernel/drivers/gpu/*", "*/lib/modules/*/kernel/drivers/media/*",
	"*/lib/modules/*/kernel/drivers/infiniband/*", "*/lib/modules/*/kernel/drivers/iio/*",
	"*/lib/modules/*/kernel/drivers/staging/*", "*/lib/modules/*/kernel/drivers/hid/*",
	"*/lib/modules/*/kernel/drivers/usb/*", "*/lib/modules/*/kernel/drivers/scsi/*",
	"*/lib/modules/*/kernel/drivers/net/ethernet/*", "*/lib/modules/*/kernel/drivers/net/wireless/*",
	"*/lib/modules/*/kernel/sound/*",
}

// bootModules are what the initramfs loads to reach the root disk and the shares.
var bootModules = []string{"virtio_pci", "virtio_blk", "ext4", "9p", "9pnet_virtio"}

// Lookup finds a release by its name.
func Lookup(name string) (Distro, error) {
	for _, d := range Distros {
		if d.Name == name {
			return d, nil
		}
	}
	return Distro{}, fmt.Errorf("unknown distribution %q: have %s", name, strings.Join(Names(), ", "))
}

// Names lists the known releases.
func Names() []string {
	var names []string
	for _, d := range Distros {
		names = append(names, d.Name)
	}
	return names
}

func (d Distro) include() []string {
	all := slices.Concat(common, d.packages)
	slices.Sort(all)
	return all
}
