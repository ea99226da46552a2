package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/test/vm/image"
	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/results"
	"github.com/dmthin/dmthin/test/vm/suite"
)

// testFlags are the flags of vm test.
type testFlags struct {
	distros []string
	only    *regexp.Regexp
	host    bool
	out     string
	atOnce  int
	options suite.Options
}

// extraModules hold tests with dependencies of their own.
var extraModules = []string{"test/conformance"}

func parseTestFlags(e environment, args []string) (testFlags, error) {
	flags := flag.NewFlagSet("vm test", flag.ExitOnError)
	distros := flags.String("distro", strings.Join(image.Names(), ","), "releases to run on, comma-separated")
	only := flags.String("only", "", "run only the packages whose path matches this pattern")
	run := flags.String("run", "", "run only the tests, and the power-cut scenarios, whose name matches this pattern")
	tags := flags.String("tags", "dmtest,e2e", "build tags that mark the tests")
	race := flags.Bool("race", false, "compile with the race detector, several times slower")
	short := flags.Bool("short", false, "leave out what asks for -short, as make test does")
	timeout := flags.Duration("timeout", 90*time.Minute, "time each package's tests may take, by the machine's clock, which runs fast where it is emulated on a busy host")
	host := flags.Bool("host", false, "run on this machine, which must have device-mapper with thin provisioning, instead of a VM")
	out := flags.String("out", filepath.Join(e.root, "build", "vm"), "folder for logs and artifacts")
	atOnce := flags.Int("machines", max(1, runtime.NumCPU()/2), "how many machines run at once; tests of time suffer when they share a CPU")
	_ = flags.Parse(args) // ExitOnError
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return testFlags{}, fmt.Errorf("-only: %w", err)
	}
	if *atOnce < 1 {
		return testFlags{}, fmt.Errorf("-machines %d: at least one", *atOnce)
	}
	dir, err := filepath.Abs(*out) // the compiler runs elsewhere
	if err != nil {
		return testFlags{}, err
	}
	for _, name := range strings.Split(*distros, ",") {
		if _, err := image.Lookup(name); err != nil {
			return testFlags{}, err
		}
	}
	return testFlags{
		distros: strings.Split(*distros, ","), only: pattern, host: *host, out: dir, atOnce: *atOnce,
		options: suite.Options{
			Tags: strings.Split(*tags, ","), Race: *race, Run: *run, Short: *short, Timeout: *timeout,
			Env: append(passedOn(os.Environ()), "DMTHIND="+filepath.Join(e.root, "build", "dmthind")),
		},
	}, nil
}

// runTests runs every test that needs a kernel, see testPlan.boots.
func runTests(ctx context.Context, e environment, args []string) error {
	f, err := parseTestFlags(e, args)
	if err != nil {
		return err
	}
	unlock, err := lockDir(f.out)
	if err != nil {
		return err
	}
	defer unlock()
	plan, err := makePlan(ctx, e, f)
	if err != nil {
		return err
	}
	machines := []testMachine{hostMachine{}}
	if f.host {
		f.atOnce = 1 // there is one of it
	} else {
		machines = nil
		for _, name := range f.distros {
			machines = append(machines, virtualMachine{env: e, distro: name})
		}
	}
	if err := plan.prepare(ctx, machines, f.options); err != nil {
		return err
	}
	var sum results.Summary
	boots := plan.boots(machines, f.options)
	if err := plan.clear(boots); err != nil {
		return err
	}
	err = plan.run(ctx, boots, f.atOnce, &sum)
	if err == nil && !f.host {
		// The clock of an emulated machine does not stand still while the host
		// lets its CPU wait. Two runs that failed of time say more than one.
		err = plan.run(ctx, plan.again(machines, f.options, &sum), 1, &sum)
	}
	sum.Close(os.Stdout)
	if err != nil {
		return err
	}
	if sum.Failed() > 0 {
		return errFailed
	}
	return nil
}

// testRun is the run on one machine.
type testRun struct {
	machine testMachine
	files   map[string]string
	sum     *results.Summary
}

func (r testRun) do(ctx context.Context, out string, jobs []job.Job) error {
	start := time.Now()
	fmt.Printf("starting %s for %d jobs; logs in %s\n", r.machine.name(), len(jobs), out)
	err := r.machine.run(ctx, out, r.files, jobs, &reporter{machine: r.machine.name(), jobs: jobs, sum: r.sum})
	fmt.Printf("%s: %s done in %.0f s\n", r.machine.name(), filepath.Base(out), time.Since(start).Seconds())
	return err
}

// reporter gets the jobs' output and results in their order.
type reporter struct {
	machine string
	jobs    []job.Job // that have not ended
	sum     *results.Summary
	current *results.Job
}

// Write takes output of the current job.
func (r *reporter) Write(data []byte) (int, error) {
	return r.job().Write(data)
}

// done takes the result of the current job.
func (r *reporter) done(res job.Result) {
	r.job().Finish(res)
	r.current, r.jobs = nil, r.jobs[1:]
}

func (r *reporter) job() *results.Job {
	if r.current == nil {
		r.current = r.sum.Follow(os.Stdout, r.machine, r.jobs[0].Name)
	}
	return r.current
}

// lockDir waits until no other run uses dir.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, ".lock")
	f, err := lockFile(path, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		fmt.Printf("another run writes to %s; waiting for it\n", dir)
		f, err = lockFile(path, unix.LOCK_EX)
	}
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil
}
