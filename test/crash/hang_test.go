//go:build dmtest

package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
)

// A suspended device below the pool is a disk that hangs: whatever waits for it
// waits until it is resumed.
//
//vm:once
func TestADiskThatHangsIsReportedAndNotWaitedForByQuestions(t *testing.T) {
	disk := preparedDisk(t)
	onDisk(t, disk, func() {
		d, err := startDaemon("")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.init(); err != nil {
			t.Fatal(err)
		}
		metadata := dm.ID{Name: partPrefix + "metadata"}
		if err := dm.Suspend(metadata, dm.SuspendOptions{NoFlush: true}); err != nil {
			t.Fatal(err)
		}
		created := make(chan error, 1)
		go func() { created <- d.create("late", "", "") }()
		time.Sleep(2 * time.Second) // until it hangs
		requireHangReported(t, d)
		if err := dm.Resume(metadata); err != nil {
			t.Fatal(err)
		}
		if err := <-created; err != nil {
			t.Errorf("once the disk was back: %v", err)
		}
		if err := d.admin().Healthy(t.Context()); err != nil {
			t.Errorf("not ready once the disk was back: %v", err)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}

// requireHangReported asks while the disk hangs.
func requireHangReported(t *testing.T, d *daemon) {
	t.Helper()
	const soon = 30 * time.Second // on a slow machine; the daemon's own limit is 5 s
	start := time.Now()
	status, err := d.admin().Status(t.Context())
	if err != nil || !strings.Contains(strings.Join(status.Problems, "\n"), "does not answer") {
		t.Errorf("status says %v, %v", status.Problems, err)
	}
	if err := d.admin().Healthy(t.Context()); err == nil {
		t.Error("readyz says ready")
	}
	var info struct{ Status [][2]string }
	if err := d.Call("Status", struct{}{}, &info); err != nil {
		t.Errorf("docker info: %v", err)
	}
	for _, row := range info.Status {
		if strings.Contains(row[0], "Space") {
			t.Errorf("docker info says %q of a pool that is not known", row)
		}
	}
	if took := time.Since(start); took > soon {
		t.Errorf("status and readyz took %s", took)
	}
}
