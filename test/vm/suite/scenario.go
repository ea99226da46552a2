package suite

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/test/vm/job"
)

// Scenario is a sequence of tests with power cuts in between, on one set of
// disks. It is written as a JSON list of steps in a file *.scenario.json beside
// the tests:
//
//	[{"run": "TestPowerCutWrite"}, {"reboot": "hard"}, {"run": "TestPowerCutVerify"}]
type Scenario struct {
	Name    string
	Package Package
	Steps   []Step
}

// Step is a test to run or a power cut.
type Step struct {
	Run     string       `json:"run,omitempty"`     // pattern for the names of the tests
	Timeout job.Duration `json:"timeout,omitempty"` // default: the suite's
	Reboot  string       `json:"reboot,omitempty"`  // "hard": the power is cut as soon as the step before ends
}

// scenarioSuffix ends the names of scenario files.
const scenarioSuffix = ".scenario.json"

// Scenarios reads the scenario files of the packages. Tests that a scenario
// runs are taken off their package's list, since they mean nothing alone.
func Scenarios(packages []Package) ([]Scenario, error) {
	var scenarios []Scenario
	for i := range packages {
		p := &packages[i]
		files, _ := filepath.Glob(filepath.Join(p.Dir, "*"+scenarioSuffix)) // the pattern is well formed
		for _, path := range files {
			s := Scenario{Name: p.ID() + "-" + strings.TrimSuffix(filepath.Base(path), scenarioSuffix), Package: *p}
			if err := job.ReadFile(path, &s.Steps); err != nil {
				return nil, err
			}
			if err := s.claim(p); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			scenarios = append(scenarios, s)
		}
	}
	return scenarios, nil
}

// claim checks the steps and takes their tests from p's list.
func (s Scenario) claim(p *Package) error {
	for i, step := range s.Steps {
		if step.Reboot != "" {
			if step.Reboot != "hard" || step.Run != "" || i == 0 {
				return errors.New(`a reboot is {"reboot": "hard"} after another step`)
			}
			continue
		}
		pattern, err := regexp.Compile(step.Run)
		if err != nil {
			return err
		}
		if step.Run == "" || !slices.ContainsFunc(s.Package.Tests, pattern.MatchString) {
			return fmt.Errorf("step %d runs no test of the package: %q", i+1, step.Run)
		}
		p.Tests = slices.DeleteFunc(slices.Clone(p.Tests), pattern.MatchString)
	}
	return nil
}

// Once tells whether one release is enough for it: its first test says so.
func (s Scenario) Once() bool { return s.firstIn(s.Package.Once) }

func (s Scenario) firstIn(tests []string) bool {
	first := regexp.MustCompile(s.Steps[0].Run) // claim has compiled it
	return slices.ContainsFunc(tests, first.MatchString)
}

// Short leaves out the tests that say they are long, and the scenarios whose
// first test does.
func Short(packages []Package, scenarios []Scenario) ([]Package, []Scenario) {
	for i := range packages {
		p := &packages[i]
		p.Tests = slices.DeleteFunc(slices.Clone(p.Tests), func(t string) bool { return slices.Contains(p.Long, t) })
	}
	return packages, slices.DeleteFunc(scenarios, func(s Scenario) bool { return s.firstIn(s.Package.Long) })
}

// Select leaves the tests that the pattern run matches, and the scenarios whose
// name it matches: the tests of a scenario mean nothing alone.
func Select(packages []Package, scenarios []Scenario, run string) ([]Package, []Scenario) {
	pattern, err := regexp.Compile(run)
	scenarios = slices.DeleteFunc(scenarios, func(s Scenario) bool { return err != nil || !pattern.MatchString(s.Name) })
	for i, p := range packages {
		if !p.Matches(run) {
			packages[i].Tests = nil
		}
	}
	packages = slices.DeleteFunc(packages, func(p Package) bool {
		return len(p.Tests) == 0 && !slices.ContainsFunc(scenarios, func(s Scenario) bool { return s.Package.Name == p.Name })
	})
	return packages, scenarios
}

// Jobs is the run of the scenario with the package's compiled tests at path.
func (s Scenario) Jobs(path string, o Options) []job.Job {
	var jobs []job.Job
	for _, step := range s.Steps {
		if step.Reboot != "" {
			jobs[len(jobs)-1].PowerCut = true
			continue
		}
		o := o
		o.Run = step.Run
		if step.Timeout > 0 {
			o.Timeout = step.Timeout.Std()
		}
		j := s.Package.Job(path, o)
		j.Name = fmt.Sprintf("%s-%d", s.Name, len(jobs)+1)
		jobs = append(jobs, j)
	}
	return jobs
}
