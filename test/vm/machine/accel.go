package machine

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmthin/dmthin/test/vm/image"
)

// Accel is how QEMU runs the guest's code.
type Accel string

// Accelerators.
const (
	KVM Accel = "kvm" // the host's CPU
	TCG Accel = "tcg" // emulated, about five times slower
)

func (a Accel) args() []string {
	if a == KVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	// An old CPU: programs then leave out the wide vector instructions, whose
	// emulation costs a tenth of the time.
	return []string{"-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "Nehalem"}
}

// probeTimeout: a kernel with KVM is up in two seconds. Some hosts open
// /dev/kvm but their guests never start.
const probeTimeout = 20 * time.Second

// Probe returns KVM where a guest really boots under it, else TCG. The answer
// is kept in cacheDir until the host boots again.
func Probe(ctx context.Context, img image.Image, cacheDir string) Accel {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return TCG
	}
	f.Close()
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return TCG
	}
	memo := filepath.Join(cacheDir, "accel-"+strings.TrimSpace(string(id)))
	if known, err := os.ReadFile(memo); err == nil {
		return Accel(known)
	}
	accel := TCG
	if probeKVM(ctx, img) {
		accel = KVM
	}
	if ctx.Err() == nil {
		_ = os.WriteFile(memo, []byte(accel), 0o644) // without it the next run probes again
	}
	return accel
}

func probeKVM(ctx context.Context, img image.Image) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	args := append(KVM.args(), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
		"-m", "512M", "-serial", "stdio", "-kernel", img.Kernel(), "-initrd", img.Initrd(),
		"-append", kernelArgs+" dmthin.probe")
	out, err := exec.CommandContext(ctx, "qemu-system-x86_64", args...).Output()
	return err == nil && bytes.Contains(out, []byte("dmthin-probe-ok"))
}
