//go:build roottest

package packaging

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// standIns are two programs under the names of ours: what is put in beside them
// doesn't depend on what they do.
func standIns(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "cp", "/bin/true", filepath.Join(dir, "dmthind"))
	run(t, "cp", "/bin/true", filepath.Join(dir, "dmthin"))
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// tree lists a folder: path to mode, size, time and link target.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String() + " " + info.ModTime().String()
		if !info.IsDir() {
			line += " " + strconv.FormatInt(info.Size(), 10)
		}
		if target, err := os.Readlink(path); err == nil {
			line += " -> " + target
		}
		rel, err := filepath.Rel(dir, path)
		found[rel] = line
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPluginRootfsIsReproducible(t *testing.T) {
	bin, dir := standIns(t), t.TempDir()
	for _, name := range []string{"one", "two"} {
		run(t, "../../scripts/plugin-rootfs", filepath.Join(dir, name), bin)
	}
	if d := cmp.Diff(tree(t, filepath.Join(dir, "one")), tree(t, filepath.Join(dir, "two"))); d != "" {
		t.Error(d)
	}
}

// A program that is missing in the plugin shows when a user needs it. So the
// script has to fail, say what to install, and leave what was there.
func TestPluginRootfsNamesThePackageThatIsMissing(t *testing.T) {
	bin, out := standIns(t), filepath.Join(t.TempDir(), "plugin")
	run(t, "../../scripts/plugin-rootfs", out, bin)
	before := tree(t, out)
	path, err := exec.LookPath("mkfs.xfs")
	if err != nil {
		t.Fatalf("%v: apt-get install xfsprogs", err)
	}
	// /dev/null can't be executed: in that mount namespace there is no mkfs.xfs.
	script := `mount --bind /dev/null "$1" && exec ../../scripts/plugin-rootfs "$2" "$3"`
	said, err := exec.Command("unshare", "--mount", "bash", "-c", script, "-", path, out, bin).CombinedOutput()
	if err == nil {
		t.Fatalf("without mkfs.xfs it succeeded: %s", said)
	}
	if !strings.Contains(string(said), "apt-get install xfsprogs") {
		t.Errorf("it said only: %s", said)
	}
	if d := cmp.Diff(before, tree(t, out)); d != "" {
		t.Errorf("the plugin that was there has changed: %s", d)
	}
}

// systemd restarts a service unless it ends with a status that says it is no use.
func TestUnitDoesNotRestartARefusal(t *testing.T) {
	daemon := filepath.Join(t.TempDir(), "dmthind")
	run(t, "go", "build", "-o", daemon, "../../cmd/dmthind")
	socket := filepath.Join(t.TempDir(), "dmthin.sock")
	refusals := map[string]*exec.Cmd{
		"a wrong flag":   exec.Command(daemon, "--no-such-flag"),
		"not being root": exec.Command(daemon, "--socket="+socket),
	}
	refusals["not being root"].SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	makeReachable(t, daemon)
	final := strings.Fields(settings(t)["RestartPreventExitStatus"])
	for what, cmd := range refusals {
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Errorf("%s: %v, want an exit status\n%s", what, err, out)
			continue
		}
		if !slices.Contains(final, strconv.Itoa(exit.ExitCode())) {
			t.Errorf("%s: status %d is not in RestartPreventExitStatus=%v\n%s", what, exit.ExitCode(), final, out)
		}
	}
}

// makeReachable lets other users execute a file below a private folder.
func makeReachable(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnitPassesSystemdsCheck(t *testing.T) {
	// The check wants the program to exist, which needs no installation here.
	dir := t.TempDir()
	path := filepath.Join(dir, "dmthin.service")
	text := strings.ReplaceAll(read(t, unit), "/usr/local/sbin/dmthind", "/bin/true")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "systemd-analyze", "verify", path); out != "" {
		t.Error(out)
	}
}
