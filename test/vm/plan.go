package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	packages = slices.DeleteFunc(packages, func(p suite.Package) bool {
		return !f.only.MatchString(p.Name) || !p.Matches(f.options.Run)
	})
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

// runOn runs everything on one machine.
func (plan testPlan) runOn(ctx context.Context, m testMachine, o suite.Options, sum *results.Summary) error {
	out := filepath.Join(plan.out, m.name())
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
