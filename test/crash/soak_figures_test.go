//go:build soak

package crash

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
)

// figure is a line for scripts/soak.
func figure(t *testing.T, what, format string, args ...any) {
	t.Helper()
	t.Logf("figure: %s|%s", what, fmt.Sprintf(format, args...))
}

// leftovers is what must be the same with no layers as before there were any.
type leftovers struct {
	devices, mounts, loops int
	pool                   admin.PoolStatus
	use                    use
}

func look(t *testing.T, d *daemon) leftovers {
	t.Helper()
	time.Sleep(5 * time.Second) // what is idle is unmounted after two
	status, err := d.admin().Status(t.Context())
	requireNoError(t, err)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	requireNoError(t, err)
	return leftovers{
		devices: outputLines(t, "dmsetup", "ls"), loops: outputLines(t, "losetup", "--list", "--noheadings"),
		mounts: bytes.Count(mounts, []byte("\n")), pool: status.Pool, use: daemonUse(t, d),
	}
}

func outputLines(t *testing.T, name string, args ...string) int {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	requireNoError(t, err)
	return bytes.Count(out, []byte("\n"))
}

// The pool's own structures and the base device's journal may be a few blocks
// larger than they were.
const (
	spareMetadata = 8 * 4096
	spareData     = 16 * 64 << 10
)

func requireNothingLeft(t *testing.T, before, after leftovers) {
	t.Helper()
	for _, f := range []struct {
		what          string
		before, after int64
		spare         int64
	}{
		{"device-mapper devices", int64(before.devices), int64(after.devices), 0},
		{"mounts", int64(before.mounts), int64(after.mounts), 0},
		{"loop devices", int64(before.loops), int64(after.loops), 0},
		{"metadata used, bytes", before.pool.MetadataUsed, after.pool.MetadataUsed, spareMetadata},
		{"data used, bytes", before.pool.DataUsed, after.pool.DataUsed, spareData},
	} {
		figure(t, f.what, "%d before, %d after", f.before, f.after)
		if f.after > f.before+f.spare {
			t.Errorf("%s: %d before, %d after", f.what, f.before, f.after)
		}
	}
	requireNoGrowth(t, before.use, after.use)
}

// use is what the daemon takes of the machine.
type use struct {
	rss                 int64 // KiB
	descriptors, thread int64
	goroutines          int64
}

func daemonUse(t *testing.T, d *daemon) use {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	requireNoError(t, err)
	open, err := os.ReadDir(filepath.Join(proc, "fd"))
	requireNoError(t, err)
	var metrics bytes.Buffer
	requireNoError(t, d.admin().Metrics(t.Context(), &metrics))
	return use{
		rss: number(t, `VmRSS:\s+(\d+)`, string(status)), thread: number(t, `Threads:\s+(\d+)`, string(status)),
		descriptors: int64(len(open)), goroutines: number(t, `(?m)^go_goroutines (\d+)`, metrics.String()),
	}
}

func number(t *testing.T, pattern, text string) int64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s", pattern)
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	requireNoError(t, err)
	return n
}

// requireNoGrowth compares two looks at daemons with as little to do. The
// clients' connections stay open for a while, with a descriptor and a goroutine
// each; memory is the runtime's to give back.
func requireNoGrowth(t *testing.T, before, after use) {
	t.Helper()
	figure(t, "daemon", "RSS %d to %d KiB, descriptors %d to %d, goroutines %d to %d, threads %d to %d",
		before.rss, after.rss, before.descriptors, after.descriptors, before.goroutines, after.goroutines, before.thread, after.thread)
	const connections = 2 * soakClients
	if after.descriptors > before.descriptors+connections || after.goroutines > before.goroutines+2*connections {
		t.Errorf("the daemon grows: %+v, then %+v", before, after)
	}
	if after.rss > 2*before.rss+64<<10 {
		t.Errorf("the daemon's memory grows: %d, then %d KiB", before.rss, after.rss)
	}
}

// slower bounds how much slower the last round may be than the first: machines
// that others use too are no better clock.
const slower = 2

func requireNoSlowDown(t *testing.T, first, last *spent) {
	t.Helper()
	figure(t, "calls a second", "%.1f at first, %.1f at last", first.rate(), last.rate())
	if slower*last.rate() < first.rate() {
		t.Errorf("%.1f calls a second were answered at first, %.1f at last", first.rate(), last.rate())
	}
	for _, v := range []verb{create, fill, write, remove} {
		before, after := median(first.calls, v), median(last.calls, v)
		figure(t, "median of "+string(v), "%d ms at first, %d ms at last", before.Milliseconds(), after.Milliseconds())
		if after > slower*before+time.Second {
			t.Errorf("%s takes %s, at first %s", v, after, before)
		}
	}
}

func median(calls []timedCall, v verb) time.Duration {
	var took []time.Duration
	for _, c := range calls {
		if c.verb == v {
			took = append(took, c.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}
