//go:build dmtest

package crash

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestMain(m *testing.M) {
	_ = exec.Command("modprobe", "-a", "dm-log-writes", "dm-delay", "dm-flakey").Run() // or it is built in
	dmtest.Main(m)
}

// timed reports how long a step took.
func timed(t *testing.T, what string) func() {
	start := time.Now()
	return func() { t.Logf("%s: %.1f s", what, time.Since(start).Seconds()) }
}

// variable returns an environment variable, or what stands for it.
func variable(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// tally adds to the table that scripts/crash prints.
func tally(t *testing.T, kind string, tried, violations int) {
	t.Helper()
	t.Logf("tally: %s|%d|%d", kind, tried, violations)
}

// tallyOne is tally for a test of a single case, at its end.
func tallyOne(t *testing.T, kind string) {
	t.Cleanup(func() {
		violations := 0
		if t.Failed() {
			violations = 1
		}
		tally(t, kind, 1, violations)
	})
}
