package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/results"
	"github.com/dmthin/dmthin/test/vm/suite"
)

// testPlan is what runs on each machine.
type testPlan struct {
	packages  []suite.Package
	scenarios []suite.Scenario
	out       string // folder for logs
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
	scenarios, err := suite.Scenarios(packages)
	if err != nil {
		return testPlan{}, err
	}
	switch {
	case f.options.Run != "":
		packages, scenarios = suite.Select(packages, scenarios, f.options.Run)
	case f.options.Short:
		packages, scenarios = suite.Short(packages, scenarios)
	}
	if len(packages) == 0 {
		return testPlan{}, errors.New("no package with such tests")
	}
	return testPlan{packages: packages, scenarios: scenarios, out: f.out, binaries: filepath.Join(f.out, "bin")}, nil
}

// prepare compiles the tests while the machines get ready.
func (plan testPlan) prepare(ctx context.Context, machines []testMachine, o suite.Options) error {
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
			if err := p.Compile(ctx, p.Path(plan.binaries), o); err != nil {
				return err
			}
			fmt.Printf("compiled %s (%d/%d) … %.0f s\n", p.Name, i+1, len(plan.packages), time.Since(start).Seconds())
		}
		return nil
	})
	return group.Wait()
}

// boot is what a machine runs from power-on to power-off.
type boot struct {
	machine testMachine
	name    string
	jobs    []job.Job
}

// boots divides the tests among boots, those that take longest first: a package
// that runs daemons gets one of its own, like each scenario; the rest of the
// packages share one.
func (plan testPlan) boots(machines []testMachine, o suite.Options) []boot {
	var long, scenarios, short []boot
	for n, m := range machines {
		dir := m.filesDir(plan.binaries)
		rest := boot{machine: m, name: "tests"}
		for _, p := range plan.packages {
			p = p.For(n == 0 || o.Run != "", n == len(machines)-1 || o.Run != "")
			switch {
			case len(p.Tests) == 0:
			case strings.HasPrefix(p.Name, "test/"):
				long = append(long, boot{m, p.ID(), []job.Job{p.Job(p.Path(dir), o)}})
			default:
				rest.jobs = append(rest.jobs, p.Job(p.Path(dir), o))
			}
		}
		for _, s := range plan.scenarios {
			if n > 0 && s.Once() {
				continue
			}
			scenarios = append(scenarios, boot{m, s.Name, s.Jobs(s.Package.Path(dir), o)})
		}
		if len(rest.jobs) > 0 {
			short = append(short, rest)
		}
	}
	// test/e2e, the longest by far, is the last by name.
	slices.SortStableFunc(long, func(a, b boot) int { return strings.Compare(b.name, a.name) })
	return slices.Concat(long, scenarios, short)
}

// mostLate is how many tests of a run are run again for having failed of time.
const mostLate = 3

// again returns the boots, one for each job, that run those tests once more that
// failed of time. The tests of a scenario would need all of its steps.
func (plan testPlan) again(machines []testMachine, o suite.Options, sum *results.Summary) []boot {
	var jobs []string
	for _, p := range plan.packages {
		jobs = append(jobs, p.ID())
	}
	var boots []boot
	for _, l := range sum.TakeLate(jobs, mostLate) {
		m := machines[slices.IndexFunc(machines, func(m testMachine) bool { return m.name() == l.Where })]
		p := plan.packages[slices.IndexFunc(plan.packages, func(p suite.Package) bool { return p.ID() == l.Job })]
		o.Run = "^(" + strings.Join(l.Tests, "|") + ")$"
		boots = append(boots, boot{m, "again-" + p.ID(), []job.Job{p.Job(p.Path(m.filesDir(plan.binaries)), o)}})
	}
	return boots
}

// clear removes what earlier runs left of the boots' results.
func (plan testPlan) clear(boots []boot) error {
	for _, b := range boots {
		if err := os.RemoveAll(filepath.Join(plan.out, b.machine.name())); err != nil {
			return err
		}
	}
	return nil
}

// run runs all boots, so many at once.
func (plan testPlan) run(ctx context.Context, boots []boot, atOnce int, sum *results.Summary) error {
	files := map[string]string{}
	for _, p := range plan.packages {
		files[filepath.Base(p.Path(""))] = p.Path(plan.binaries)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, b := range boots {
		r := testRun{machine: b.machine, files: files, sum: sum}
		group.Go(func() error { return r.do(ctx, filepath.Join(plan.out, b.machine.name(), b.name), b.jobs) })
	}
	return group.Wait()
}
