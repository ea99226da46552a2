package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// diskSize is the root disk's size; the file is sparse.
const diskSize = "4G"

// build makes the files of d's image in dir.
func (c Cache) build(ctx context.Context, d Distro, dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("must be root, because the image's files belong to root")
	}
	mirror := os.Getenv("DMTHIN_MIRROR")
	if mirror == "" {
		var err error
		if mirror, err = Mirror("/"); err != nil {
			return err
		}
	}
	root := filepath.Join(dir, "root")
	img := Image{Distro: d, Dir: dir}
	steps := []struct {
		name string
		do   func() error
	}{
		{"unpack Debian packages", func() error { return unpack(ctx, d, root, mirror) }},
		{"make the initramfs", func() error { return makeInitramfs(ctx, root, img.Initrd()) }},
		{"copy the kernel", func() error { return copyKernel(root, img.Kernel()) }},
		{"make the root disk", func() error { return makeDisk(ctx, root, img.Disk()) }},
		{"clean up", func() error { return os.RemoveAll(root) }},
	}
	for i, step := range steps {
		start := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(c.Log, "  %s %d/%d: %s … %.0f s\n", d.Name, i+1, len(steps), step.name, time.Since(start).Seconds())
	}
	return nil
}

func unpack(ctx context.Context, d Distro, root, mirror string) error {
	args := []string{
		"--mode=root", "--variant=minbase", "--include=" + strings.Join(d.include(), ","),
		"--dpkgopt=force-unsafe-io", // the tree is thrown away when the build is cut short
		"--aptopt=Apt::Install-Recommends false",
	}
	for _, path := range excluded {
		args = append(args, "--dpkgopt=path-exclude="+path)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, d.Name, root, mirror)...)
	// No initrd of Debian's own: the hook that makes it heeds this variable.
	cmd.Env = append(os.Environ(), "INITRD=No", "LC_ALL=C.UTF-8")
	return run(cmd)
}

func copyKernel(root, dst string) error {
	found, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*")) // the pattern is well formed
	if len(found) != 1 {
		return fmt.Errorf("want one kernel in /boot, found %d", len(found))
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o644)
}

func makeDisk(ctx context.Context, root, disk string) error {
	// No journal: the disk is never written to, every boot writes to a copy.
	return run(exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-d", root, "-O", "^has_journal", disk, diskSize))
}

// run runs cmd and, when it fails, gives the end of what it said.
func run(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: run make deps", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, tail(out.String(), 800))
	}
	return nil
}

func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		s = "…" + s[len(s)-n:]
	}
	return s
}
