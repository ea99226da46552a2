package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// makeInitramfs packs busybox, the boot modules and our init from the unpacked
// root into the file dst.
func makeInitramfs(ctx context.Context, root, dst string) error {
	dir := dst + ".d"
	defer func() { _ = os.RemoveAll(dir) }() // the whole folder goes if this fails
	for _, d := range []string{"bin", "modules", "proc", "sys", "dev", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	busybox, err := os.ReadFile(filepath.Join(root, "bin/busybox"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), busybox, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "init"), []byte(initramfsInit), 0o755); err != nil {
		return err
	}
	modules, err := moduleFiles(ctx, root)
	if err != nil {
		return err
	}
	for i, path := range modules {
		// insmod takes them one by one, so the order of dependencies is in the names.
		name := strings.TrimSuffix(filepath.Base(path), ".xz")
		if err := unpackModule(ctx, path, filepath.Join(dir, "modules", fmt.Sprintf("%03d-%s", i, name))); err != nil {
			return err
		}
	}
	return pack(ctx, dir, dst)
}

// moduleFiles lists the files of the boot modules, each after what it depends on.
func moduleFiles(ctx context.Context, root string) ([]string, error) {
	versions, _ := filepath.Glob(filepath.Join(root, "lib/modules/*")) // the pattern is well formed
	if len(versions) != 1 {
		return nil, fmt.Errorf("want the modules of one kernel, found %d", len(versions))
	}
	args := append([]string{"-d", root, "-S", filepath.Base(versions[0]), "--show-depends", "-a"}, bootModules...)
	out, err := exec.CommandContext(ctx, "modprobe", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("modprobe --show-depends: %w", err)
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "insmod" && !slices.Contains(files, f[1]) {
			files = append(files, f[1])
		}
	}
	if len(files) == 0 {
		return nil, errors.New("modprobe --show-depends lists no module")
	}
	return files, nil
}

func unpackModule(ctx context.Context, src, dst string) error {
	if !strings.HasSuffix(src, ".xz") {
		data, err := os.ReadFile(src)
		if err != nil {
			return err
		}
		return os.WriteFile(dst, data, 0o644)
	}
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "xz", "-dc", src)
	cmd.Stdout = out
	return cmd.Run()
}

// pack writes the tree dir as a gzipped cpio archive.
func pack(ctx context.Context, dir, dst string) error {
	cmd := exec.CommandContext(ctx, "sh", "-ec", `find . | cpio -o -H newc --quiet | gzip -1`)
	cmd.Dir = dir
	var errText bytes.Buffer
	cmd.Stderr = &errText
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cpio: %w: %s", err, tail(errText.String(), 400))
	}
	return nil
}
