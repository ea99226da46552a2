package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/session"
)

// execProgram runs one program in a machine as if it ran here: same arguments,
// working directory, output and exit status. It serves go test -exec.
func execProgram(ctx context.Context, e environment, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: vm exec DISTRO PROGRAM [ARG…]")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go cancelWhenOrphaned(cancel)

	out, err := os.MkdirTemp("", "dmthin-vm-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(out) }() // in a folder for temporary files
	s, remove, err := e.newSession(ctx, args[0], out)
	if err != nil {
		return err
	}
	defer remove()
	s.Follow = os.Stdout
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	const name = "program"
	s.Files = map[string]string{name: args[1]}
	profiles := newProfiles(name)
	results, err := s.Run(ctx, []job.Job{{
		Name: name, Command: append([]string{filepath.Join(session.FilesDir, name)}, profiles.rewrite(args[2:])...),
		Dir: dir, Env: passedOn(os.Environ()), Timeout: job.Duration(testTimeout(args[2:])),
	}})
	if err != nil {
		return err
	}
	if err := profiles.fetch(filepath.Join(out, name)); err != nil {
		return err
	}
	return report(results[0])
}

func report(r job.Result) error {
	for _, line := range r.Faults {
		fmt.Fprintf(os.Stderr, "vm: kernel log, not announced by a test: %s\n", line)
	}
	if len(r.Leftover) > 0 {
		fmt.Fprintf(os.Stderr, "vm: left running: %s\n", strings.Join(r.Leftover, ", "))
	}
	switch {
	case r.Failure != "":
		return errors.New(r.Failure)
	case r.ExitCode != 0:
		return exitStatus(r.ExitCode)
	case len(r.Faults) > 0:
		return errFailed
	}
	return nil
}

// cancelWhenOrphaned: go test and go run kill their child without telling it,
// and the machine must not outlive them.
func cancelWhenOrphaned(cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	cancel(errors.New("the caller is gone"))
}

// passedOn picks the variables that mean something to a test; the rest of the
// host's environment would not be true in the machine.
func passedOn(environ []string) []string {
	var env []string
	for _, v := range environ {
		for _, prefix := range []string{"DMTHIN_", "GODEBUG=", "GORACE=", "GOTRACEBACK=", "GOMAXPROCS="} {
			if strings.HasPrefix(v, prefix) && !strings.HasPrefix(v, "DMTHIN_VM") {
				env = append(env, v)
			}
		}
	}
	return env
}

// testTimeout leaves a test binary the time to report its own timeout.
func testTimeout(args []string) time.Duration {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "-test.timeout="); ok {
			if d, err := time.ParseDuration(v); err == nil && d > 0 {
				return d + time.Minute
			}
		}
	}
	return time.Hour
}
