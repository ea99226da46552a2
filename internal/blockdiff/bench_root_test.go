//go:build roottest && !dmtest

package blockdiff

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/inodescan"
)

// BenchmarkTenChanged compares layers in which ten files were written to. What it
// takes to find the blocks that differ is not counted: image files share none.
func BenchmarkTenChanged(b *testing.B) {
	for _, files := range []int{5000, 200_000} {
		b.Run(fmt.Sprint(files), func(b *testing.B) { benchTenChanged(b, files) })
	}
}

func benchTenChanged(b *testing.B, files int) {
	m := newImages(b, filesystem.Ext4, 2<<30, 64<<10, "-N", "300000")
	name := func(dir string, i int) string { return fmt.Sprintf("%s/%d/%d/file-%d", dir, i/1000, i/100, i) }
	m.use(b, 0, false, func(dir string) {
		for i := range files {
			if i%100 == 0 {
				_ = os.MkdirAll(fmt.Sprintf("%s/%d/%d", dir, i/1000, i/100), 0o755)
			}
			if err := os.WriteFile(name(dir, i), []byte("x"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		index(b, dir)
	})
	m.snapshot(b, 1, 0)
	m.use(b, 1, false, func(dir string) {
		for i := range 10 {
			if err := os.WriteFile(name(dir, i*files/10), []byte("changed"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	})
	m.benchCompare(b, 1, 0, 10)
}

func (m *images) benchCompare(b *testing.B, after, before uint32, want int) {
	result, err := m.scan(b.Context(), before, after)
	if err != nil {
		b.Fatal(err)
	}
	found := func(context.Context, uint32, uint32) (inodescan.Result, error) { return result, nil }
	var outcome Outcome
	d := newDiffer(Config{Metadata: alone{}, Log: logrus.NewEntry(logrus.New()), Observe: func(o Outcome) { outcome = o }}, found, nil, 10)
	m.use(b, before, true, func(string) {
		m.use(b, after, true, func(string) {
			begin := cpuTime(b)
			for b.Loop() {
				changes, err := d.Changes(b.Context(), m.layer(after), m.layer(before), unheld)
				files := 0
				for _, c := range changes {
					files += strings.Count(c.Path, "file")
				}
				if err != nil || files != want || outcome.Method != Blocks {
					b.Fatalf("%v, %v, %d files", outcome, err, files)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	})
}

// cpuTime is what the process has used, which tells more than the clock does
// where others run too.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
