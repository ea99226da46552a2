// The guest agent: runs the planned jobs inside the test machine, one after
// the other. init starts it once the machine is up; it takes no decisions about
// the machine itself.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/kernellog"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: guest IN OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	var plan job.Plan
	if err := job.ReadFile(filepath.Join(in, job.PlanFile), &plan); err != nil {
		return err
	}
	klog, err := kernellog.Open()
	if err != nil {
		return err
	}
	defer func() { _ = klog.Close() }() // only read from
	if err := os.WriteFile(filepath.Join(out, job.StartedFile), nil, 0o644); err != nil {
		return err
	}
	before := processes()
	for _, j := range plan.Jobs {
		dir := filepath.Join(out, j.Name)
		res := job.Run(context.Background(), j, dir, klog)
		if j.PowerCut {
			return reset()
		}
		res.Leftover = killNew(before)
		if len(res.Leftover) == 0 {
			continue
		}
		if err := job.WriteFile(filepath.Join(dir, job.ResultFile), res); err != nil {
			return err
		}
	}
	return nil
}

// reset restarts the machine at once: no sync, no unmount, no driver's shutdown
// hook, as a power cut. QEMU runs with -no-reboot and ends instead.
func reset() error {
	return os.WriteFile("/proc/sysrq-trigger", []byte("b"), 0)
}
