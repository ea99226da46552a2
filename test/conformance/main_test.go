package conformance

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
)

var daemonPath = flag.String("dmthind", os.Getenv("DMTHIND"),
	"daemon `binary` under test (default $DMTHIND)")

// TestMain refuses to run without what every test needs: a suite that skips
// here would be green without having looked at anything.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := prerequisites(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prerequisites() error {
	if os.Geteuid() != 0 {
		return errors.New("must run as root")
	}
	if _, err := os.Stat("/dev/mapper/control"); err != nil {
		return fmt.Errorf("no device-mapper in this kernel: %w", err)
	}
	if *daemonPath == "" {
		return errors.New("no daemon to test: give -dmthind or set DMTHIND")
	}
	if _, err := os.Stat(*daemonPath); err != nil {
		return fmt.Errorf("daemon under test: %w", err)
	}
	return nil
}
