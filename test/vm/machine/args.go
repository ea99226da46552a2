package machine

import (
	"fmt"
	"strconv"
	"strings"
)

// kernelArgs: nowatchdog and the RCU setting, because an emulated CPU may stand
// still for seconds while the host is busy, which is no fault of the guest's
// kernel.
const kernelArgs = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable nowatchdog rcupdate.rcu_cpu_stall_suppress=1"

// args is QEMU's command line.
func (c Config) args() []string {
	args := append(c.Accel.args(),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
		"-smp", strconv.Itoa(c.CPUs), "-m", c.Memory,
		"-chardev", "file,id=console,path="+quote(c.Console), "-serial", "chardev:console",
		"-kernel", c.Image.Kernel(), "-initrd", c.Image.Initrd(), "-append", kernelArgs,
		"-drive", "if=virtio,format=raw,snapshot=on,file="+quote(c.Image.Disk()),
	)
	if c.Terminal {
		args = append(args, "-chardev", "stdio,id=terminal,mux=on,signal=off", "-serial", "chardev:terminal")
	}
	for _, disk := range c.Disks {
		// unsafe: the host's page cache outlives the guest, flushing it to
		// the host's disk would protect against nothing tests look at.
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,discard=unmap,file="+quote(disk))
	}
	for _, s := range []struct{ tag, path, mode string }{
		{"in", c.In, ",readonly=on"},
		{"out", c.Out, ""},
		{"repo", c.Repo, ",readonly=on"},
	} {
		args = append(args, "-virtfs", fmt.Sprintf("local,path=%s,mount_tag=%s,security_model=none,multidevs=remap%s",
			quote(s.path), s.tag, s.mode))
	}
	return args
}

// quote doubles commas, which separate QEMU's suboptions.
func quote(path string) string { return strings.ReplaceAll(path, ",", ",,") }
