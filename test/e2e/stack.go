//go:build e2e

package e2e

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stack is a dockerd with dmthin below it, in either form.
type stack struct {
	*dockerd

	host   *hostDaemon // nil: managed plugin
	plugin string      // the managed plugin's ID
}

// poolOptions make a pool that is small but real. Loop files are sparse: what
// they take is what the tests write.
var poolOptions = []string{"dm.loopdatasize=6G", "dm.loopmetadatasize=128M", "dm.basesize=1G"}

// hostStack starts the host daemon and a dockerd on it, with fresh data.
func hostStack(tb testing.TB, name string, options ...string) *stack {
	tb.Helper()
	root := freshRoot(tb, name)
	host := startHostDaemon(tb)
	return &stack{host: host, dockerd: startDockerd(tb, dockerdConfig{
		Name: name, Root: root, Driver: "dmthin", Options: append(poolOptions[:len(poolOptions):len(poolOptions)], options...),
	})}
}

// stop ends dockerd, then the host daemon.
func (s *stack) stop(tb testing.TB) {
	tb.Helper()
	s.dockerd.stop(tb)
	if s.host != nil {
		s.host.proc.stop(tb)
	}
}

// client speaks the driver's protocol.
func (s *stack) client(tb testing.TB) *driverClient {
	tb.Helper()
	if s.host != nil {
		return newDriverClient(hostSocket, func(path string) string { return path })
	}
	return newDriverClient(filepath.Join("/run/docker/plugins", s.plugin, "dmthin.sock"), func(path string) string {
		rest, ok := strings.CutPrefix(path, "/var/lib/dmthin")
		if !ok {
			tb.Fatalf("%s is not below the plugin's propagated mount", path)
		}
		return filepath.Join(s.Root, "plugins", s.plugin, "propagated-mount", rest)
	})
}

// driverPid is the process ID of the daemon under test.
func (s *stack) driverPid(tb testing.TB) int {
	tb.Helper()
	if s.host != nil {
		return s.host.proc.pid()
	}
	pid := pluginPid(tb)
	if pid == 0 {
		tb.Fatal("the plugin does not run")
	}
	return pid
}

// pluginPid finds the process of the managed plugin; 0 if there is none.
func pluginPid(tb testing.TB) int {
	tb.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		tb.Fatal(err)
	}
	for _, dir := range dirs {
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.HasPrefix(string(args), "/usr/bin/dmthind\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			return pid
		}
	}
	return 0
}

// killDriver kills the daemon under test and waits until there is a new one:
// dockerd restarts a plugin, systemd a host daemon; here the test stands in.
func (s *stack) killDriver(tb testing.TB) {
	tb.Helper()
	if s.host != nil {
		s.host.proc.kill(tb)
		s.host.start(tb)
		return
	}
	old := s.driverPid(tb)
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		tb.Fatal(err)
	}
	eventually(tb, time.Minute, "dockerd restarts the plugin", func() bool {
		pid := pluginPid(tb)
		return pid != 0 && pid != old
	})
}

// poolStatus is what the tests read of dmthin status.
type poolStatus struct {
	State    string
	Layers   int
	Mounted  int
	Active   int
	Leaked   []uint32
	Problems []string
	Pool     struct {
		DataUsed         int64  `json:"data_used"`
		DataTotal        int64  `json:"data_total"`
		MetadataUsed     int64  `json:"metadata_used"`
		DeferredDeleted  int    `json:"deferred_deleted_devices"`
		DataLoopFile     string `json:"data_loop_file"`
		MetadataLoopFile string `json:"metadata_loop_file"`
		Growth           struct{ Extensions int }
	}
}

// status asks the daemon under test by its own command.
func (s *stack) status(tb testing.TB) poolStatus {
	tb.Helper()
	var status poolStatus
	out := s.dmthin(tb, "status", "--format", "json")
	if err := json.Unmarshal(out, &status); err != nil {
		tb.Fatalf("dmthin status: %v: %s", err, out)
	}
	return status
}

// dmthin runs the operator's command.
func (s *stack) dmthin(tb testing.TB, args ...string) []byte {
	tb.Helper()
	socket := filepath.Join(s.Root, "dmthin", "admin.sock")
	out, err := exec.Command(env.dmthin, append(args, "--socket", socket)...).CombinedOutput()
	if err != nil {
		tb.Fatalf("dmthin %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// waitForAdmin waits until a daemon that was started again has taken up its work:
// it opens the admin socket no sooner.
func (s *stack) waitForAdmin(tb testing.TB) {
	tb.Helper()
	eventually(tb, 30*time.Second, "the admin socket is open again", func() bool {
		conn, err := net.Dial("unix", filepath.Join(s.Root, "dmthin", "admin.sock"))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// loopFile is the pool's data file.
func (s *stack) loopFile() string { return filepath.Join(s.Root, "dmthin", "devicemapper", "data") }
