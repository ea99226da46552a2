//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/test/manual"
)

// manualHost is this machine as the manual sees it: Docker in its usual places,
// services to start and stop, the disks /dev/sdb, sdc and sdd. It has no
// systemd; a script stands in for systemctl.
type manualHost struct {
	bin string // folder of the commands the manual takes for granted
}

// newManualHost prepares the host with blank disks, the daemon running, Docker
// stopped, and an image to pull. At the test's end nothing is left of it.
func newManualHost(t *testing.T) *manualHost {
	t.Helper()
	publishBusybox(t)
	return newManualHostOffline(t)
}

// newManualHostOffline is newManualHost without the image.
func newManualHostOffline(t *testing.T) *manualHost {
	t.Helper()
	before := kernelObjects(t)
	t.Cleanup(func() { requireNothingLeft(t, before) })
	expectKernel(t, suspendedPool)
	h := &manualHost{bin: t.TempDir()}
	h.mountDockerRoot(t)
	h.addDisks(t)
	t.Cleanup(func() { h.reset(t) })
	for name, target := range map[string]string{"dmthind": env.dmthind, "dmthin": env.dmthin} {
		if err := os.Symlink(target, filepath.Join(h.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.bin, "systemctl"), []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	h.bash(t, "systemctl start dmthin")
	return h
}

// systemctl starts and stops the two services as their units do.
const systemctl = `#!/bin/bash
set -u
verb=$1
shift
if [ $# -gt 1 ]; then
  for service; do "$0" "$verb" "$service" || exit; done
  exit
fi
service=${1-}
pidfile=/run/manual-$service.pid
log=$DMTHIN_ARTIFACTS/manual-$service.log
case $service in
docker.socket) exit ;; # nobody listens for dockerd here
docker) command=(dockerd --iptables=false --bridge=none --registry-mirror=http://` + registryAddress + `); answers=(docker version) ;;
dmthin) command=(dmthind --log-level debug); answers=(test -S /run/docker/plugins/dmthin.sock) ;;
*) echo "unit $service not found" >&2; exit 5 ;;
esac
stop() {
  [ -e "$pidfile" ] || return 0
  kill "$(cat "$pidfile")" 2>/dev/null
  for ((i = 0; i < 900; i++)); do kill -0 "$(cat "$pidfile")" 2>/dev/null || break; sleep 0.1; done
  rm -f "$pidfile"
}
start() {
  [ ! -e "$pidfile" ] || return 0
  # setsid: not a child of whoever types, so that nobody has to wait for it.
  setsid --fork bash -c 'echo $$ >"$0"; exec "${@:2}" >>"$1" 2>&1' "$pidfile" "$log" "${command[@]}" </dev/null
  for ((i = 0; i < 1200; i++)); do
    ! "${answers[@]}" >/dev/null 2>&1 || return 0
    [ ! -e "$pidfile" ] || kill -0 "$(cat "$pidfile")" 2>/dev/null || break
    sleep 0.1
  done
  rm -f "$pidfile"
  echo "Job for $service failed:" >&2
  tail -n 20 "$log" >&2
  return 1
}
case $verb in
start) start ;;
stop) stop ;;
restart) stop; start ;;
*) echo "unknown verb $verb" >&2; exit 1 ;;
esac
`

// dockerRoot is where the manual has Docker's data.
const dockerRoot = "/var/lib/docker"

// mountDockerRoot gives Docker's usual folder real disk space.
func (h *manualHost) mountDockerRoot(t *testing.T) {
	t.Helper()
	root := freshRoot(t, "manual")
	if err := os.MkdirAll(dockerRoot, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(root, dockerRoot, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dockerRoot, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dockerRoot, 0); err != nil {
			t.Errorf("unmount %s: %v", dockerRoot, err)
		}
	})
}

// manualDisks are the manual's disks and this machine's.
var manualDisks = map[string]string{"/dev/sdb": "/dev/vdc", "/dev/sdc": "/dev/vdd", "/dev/sdd": "/dev/loop99"}

func (h *manualHost) addDisks(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sdd")
	h.bash(t, "truncate -s 4G "+file+"; [ -b /dev/loop99 ] || mknod /dev/loop99 b 7 99; losetup /dev/loop99 "+file)
	t.Cleanup(func() { h.bash(t, "losetup -d /dev/loop99") })
	for name, device := range manualDisks {
		_ = os.Remove(name)
		if err := os.Symlink(device, name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(name) })
	}
}

// publishBusybox makes what the manual runs available where dockerd looks.
func publishBusybox(t *testing.T) {
	t.Helper()
	registry(t)
	d := startDockerd(t, dockerdConfig{Name: "publish", Root: freshRoot(t, "publish"), Driver: "overlay2"})
	image := registryAddress + "/library/busybox:latest"
	importImage(t, d.docker, image, busyboxFiles(t)...)
	d.run(t, "push", image)
	d.stop(t)
}

// reset makes disks and folders blank again, and stops both services.
func (h *manualHost) reset(t *testing.T) {
	t.Helper()
	h.bash(t, `
systemctl stop docker
systemctl stop dmthin
pkill -x dmeventd # LVM's commands start it
vgs docker >/dev/null 2>&1 && vgremove --force --yes docker
for disk in /dev/vdc /dev/vdd /dev/loop99; do
  pvs $disk >/dev/null 2>&1 && pvremove --yes $disk
  wipefs --all --quiet $disk
  blkdiscard --force $disk 2>/dev/null || true
done
find /var/lib/docker -mindepth 1 -delete
rm -rf /etc/docker /etc/lvm/profile/docker-thinpool.profile /run/dmthin
true`)
}

// bash runs a script with the host's commands at hand; it must succeed.
func (h *manualHost) bash(t *testing.T, script string) string {
	t.Helper()
	out, err := h.try(script)
	if err != nil {
		t.Fatalf("%v: %s\nin: %s", err, out, script)
	}
	return out
}

// try runs a script and returns all it printed.
func (h *manualHost) try(script string) (string, error) {
	return bash(script, append(os.Environ(), "PATH="+h.bin+":"+os.Getenv("PATH"), "DMTHIN_ARTIFACTS="+env.artifacts, "LC_ALL=C"))
}

// follow does what a page of docs/ says, or one section of it, in one shell, as
// a reader would. A command that fails, and a listing of docker info without
// the page's lines, fails the test.
func (h *manualHost) follow(t *testing.T, page, section string) {
	t.Helper()
	p, err := manual.Read(filepath.Join("..", "..", "docs", page+".md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := p.Section(section)
	if len(steps) == 0 {
		t.Fatalf("%s.md has no steps in section %q", page, section)
	}
	outputs := t.TempDir()
	var script strings.Builder
	fmt.Fprintln(&script, `set -eu; exec 3>&1; trap '[ $? = 0 ] || { echo "failed:"; cat "$OUT/$LINE"; } >&3' EXIT; mkdir -p /etc/docker`)
	fmt.Fprintf(&script, "OUT=%s\n", outputs)
	for _, s := range steps {
		fmt.Fprintf(&script, "LINE=%d; echo \"line $LINE\"\n", s.Line)
		if s.Config != "" {
			fmt.Fprintf(&script, "{ cat >/etc/docker/daemon.json <<'END-OF-CONFIG'\n%s\nEND-OF-CONFIG\n} >$OUT/$LINE 2>&1\n", s.Config)
			continue
		}
		fmt.Fprintf(&script, "{ %s\n} >$OUT/$LINE 2>&1 </dev/null\n", s.Command)
	}
	start := time.Now()
	if out, err := h.try(script.String()); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%5.1f s %s %q, %d steps", time.Since(start).Seconds(), page, section, len(steps))
	for _, s := range steps {
		requireShown(t, page, s, filepath.Join(outputs, fmt.Sprint(s.Line)))
	}
}

// requireShown compares the lines that the page shows for docker info with what
// it said: the names before the colon, in their order.
func requireShown(t *testing.T, page string, s manual.Step, file string) {
	t.Helper()
	if s.Command != "docker info" {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rest := strings.Split(string(text), "\n")
	for _, line := range s.Output {
		name, _, _ := strings.Cut(line, ":")
		found := false
		for i, said := range rest {
			if strings.HasPrefix(said, name+":") {
				rest, found = rest[i+1:], true
				break
			}
		}
		if !found {
			t.Errorf("%s.md:%d: docker info doesn't show %q where the page does:\n%s", page, s.Line, name, text)
		}
	}
}
