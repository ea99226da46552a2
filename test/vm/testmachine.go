package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmthin/dmthin/test/vm/image"
	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/kernellog"
	"github.com/dmthin/dmthin/test/vm/session"
)

// testMachine is where tests run.
type testMachine interface {
	name() string
	// prepare does what takes long, once, before the first run.
	prepare(ctx context.Context) error
	// filesDir is where the machine sees the files of the host's folder dir.
	filesDir(dir string) string
	// run runs the jobs with out for their results, reporting to the reporter.
	run(ctx context.Context, out string, files map[string]string, jobs []job.Job, to *reporter) error
}

// virtualMachine boots a release for each run.
type virtualMachine struct {
	env    environment
	distro string
}

func (v virtualMachine) name() string { return v.distro }

func (v virtualMachine) prepare(ctx context.Context) error {
	d, err := image.Lookup(v.distro)
	if err != nil {
		return err
	}
	_, err = image.Cache{Dir: v.env.cache, Log: os.Stdout}.Get(ctx, d)
	return err
}

func (v virtualMachine) filesDir(string) string { return session.FilesDir }

func (v virtualMachine) run(ctx context.Context, out string, files map[string]string, jobs []job.Job, to *reporter) error {
	s, remove, err := v.env.newSession(ctx, v.distro, out)
	if err != nil {
		return err
	}
	defer remove()
	s.Files, s.Follow, s.Done = files, to, to.done
	_, err = s.Run(ctx, jobs)
	return err
}

// hostMachine is the machine we run on, for those who have device-mapper and
// nothing to lose.
type hostMachine struct{}

func (hostMachine) name() string { return "host" }

func (hostMachine) prepare(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("-host: must be root")
	}
	// It may be there already, or built in; what counts is the list of targets.
	_ = exec.CommandContext(ctx, "modprobe", "dm-thin-pool").Run()
	targets, err := exec.CommandContext(ctx, "dmsetup", "targets").CombinedOutput()
	if err != nil || !strings.Contains("\n"+string(targets), "\nthin-pool ") {
		return fmt.Errorf("-host: this kernel has no device-mapper with thin provisioning, leave out -host to use a VM: %s",
			strings.TrimSpace(string(targets)))
	}
	return nil
}

func (hostMachine) filesDir(dir string) string { return dir }

func (hostMachine) run(ctx context.Context, out string, _ map[string]string, jobs []job.Job, to *reporter) error {
	klog, err := kernellog.Open()
	if err != nil {
		return err
	}
	defer func() { _ = klog.Close() }() // only read from
	for _, j := range jobs {
		if j.PowerCut {
			fmt.Printf("skip  host %s and what follows: the power of this machine is not cut\n", j.Name)
			return nil
		}
		dir := filepath.Join(out, j.Name)
		res := job.Run(ctx, j, dir, klog)
		if output, err := os.ReadFile(filepath.Join(dir, job.OutputFile)); err == nil {
			_, _ = to.Write(output) // never fails
		}
		to.done(res)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
