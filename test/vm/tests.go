package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

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
	options suite.Options
}

// extraModules hold tests with dependencies of their own.
var extraModules = []string{"test/conformance"}

func parseTestFlags(e environment, args []string) (testFlags, error) {
	flags := flag.NewFlagSet("vm test", flag.ExitOnError)
	distros := flags.String("distro", strings.Join(image.Names(), ","), "releases to run on, comma-separated")
	only := flags.String("only", "", "run only the packages whose path matches this pattern")
	run := flags.String("run", "", "run only the tests whose name matches this pattern")
	tags := flags.String("tags", "dmtest,e2e", "build tags that mark the tests")
	race := flags.Bool("race", false, "compile with the race detector, several times slower")
	timeout := flags.Duration("timeout", 15*time.Minute, "time each package's tests may take")
	host := flags.Bool("host", false, "run on this machine, which must have device-mapper with thin provisioning, instead of a VM")
	_ = flags.Parse(args) // ExitOnError
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return testFlags{}, fmt.Errorf("-only: %w", err)
	}
	for _, name := range strings.Split(*distros, ",") {
		if _, err := image.Lookup(name); err != nil {
			return testFlags{}, err
		}
	}
	return testFlags{
		distros: strings.Split(*distros, ","), only: pattern, host: *host,
		options: suite.Options{
			Tags: strings.Split(*tags, ","), Race: *race, Run: *run, Timeout: *timeout,
			Env: append(passedOn(os.Environ()), "DMTHIND="+filepath.Join(e.root, "build", "dmthind")),
		},
	}, nil
}

// runTests runs every test that needs a kernel: all packages in one boot per
// release, then each scenario with power cuts in boots of its own.
func runTests(ctx context.Context, e environment, args []string) error {
	f, err := parseTestFlags(e, args)
	if err != nil {
		return err
	}
	plan, err := makePlan(ctx, e, f)
	if err != nil {
		return err
	}
	machines := []testMachine{hostMachine{}}
	if !f.host {
		machines = nil
		for _, name := range f.distros {
			machines = append(machines, virtualMachine{env: e, distro: name})
		}
	}
	if err := prepare(ctx, e, f, plan, machines); err != nil {
		return err
	}
	var sum results.Summary
	for _, m := range machines {
		if err := plan.runOn(ctx, e, m, f.options, &sum); err != nil {
			sum.Close(os.Stdout)
			return err
		}
	}
	sum.Close(os.Stdout)
	if sum.Failed > 0 {
		return errFailed
	}
	return nil
}

// testPlan is what runs on each machine.
type testPlan struct {
	packages  []suite.Package
	scenarios []suite.Scenario
	binaries  string // folder
}

func makePlan(ctx context.Context, e environment, f testFlags) (testPlan, error) {
	packages, err := suite.Discover(ctx, e.root, f.options.Tags)
	if err != nil {
		return testPlan{}, err
	}
	for _, dir := range extraModules {
		if _, err := os.Stat(filepath.Join(e.root, dir, "go.mod")); err != nil {
			continue
		}
		more, err := suite.Module(ctx, e.root, dir)
		if err != nil {
			return testPlan{}, err
		}
		packages = append(packages, more...)
	}
	packages = slices.DeleteFunc(packages, func(p suite.Package) bool { return !f.only.MatchString(p.Name) })
	if len(packages) == 0 {
		return testPlan{}, errors.New("no package with such tests")
	}
	scenarios, err := suite.Scenarios(packages)
	if err != nil {
		return testPlan{}, err
	}
	if f.options.Run != "" {
		scenarios = nil // they name their own tests
	}
	return testPlan{packages: packages, scenarios: scenarios, binaries: filepath.Join(e.root, "build", "vm", "bin")}, nil
}

// prepare compiles the tests while the machines get ready.
func prepare(ctx context.Context, e environment, f testFlags, plan testPlan, machines []testMachine) error {
	if err := os.MkdirAll(plan.binaries, 0o755); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range machines {
		group.Go(func() error { return m.prepare(ctx) })
	}
	group.Go(func() error {
		for i, p := range plan.packages {
			start := time.Now()
			if err := p.Compile(ctx, p.Path(plan.binaries), f.options); err != nil {
				return err
			}
			fmt.Printf("compiled %s (%d/%d) … %.0f s\n", p.Name, i+1, len(plan.packages), time.Since(start).Seconds())
		}
		return nil
	})
	return group.Wait()
}

// runOn runs everything on one machine.
func (plan testPlan) runOn(ctx context.Context, e environment, m testMachine, o suite.Options, sum *results.Summary) error {
	out := filepath.Join(e.root, "build", "vm", m.name())
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	files := map[string]string{}
	for _, p := range plan.packages {
		files[filepath.Base(p.Path(""))] = p.Path(plan.binaries)
	}
	r := testRun{machine: m, files: files, sum: sum}
	var jobs []job.Job
	for _, p := range plan.packages {
		if len(p.Tests) > 0 {
			jobs = append(jobs, p.Job(p.Path(m.filesDir(plan.binaries)), o))
		}
	}
	if err := r.do(ctx, filepath.Join(out, "tests"), jobs); err != nil {
		return err
	}
	for _, s := range plan.scenarios {
		if err := r.do(ctx, filepath.Join(out, s.Name), s.Jobs(s.Package.Path(m.filesDir(plan.binaries)), o)); err != nil {
			return err
		}
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
	if len(jobs) == 0 {
		return nil
	}
	start := time.Now()
	fmt.Printf("starting %s for %d jobs; logs in %s\n", r.machine.name(), len(jobs), out)
	err := r.machine.run(ctx, out, r.files, jobs, func(res job.Result) { r.done(out, res) })
	fmt.Printf("%s: done in %.0f s\n", r.machine.name(), time.Since(start).Seconds())
	return err
}

// done prints what the tests of one job did.
func (r testRun) done(out string, res job.Result) {
	var tests []results.Test
	if f, err := os.Open(filepath.Join(out, res.Name, job.OutputFile)); err == nil {
		defer f.Close()
		if tests, err = results.Parse(f); err != nil && res.Failure == "" {
			res.Failure = err.Error()
		}
	}
	r.sum.Add(os.Stdout, r.machine.name(), res, tests)
}
