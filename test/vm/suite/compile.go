package suite

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmthin/dmthin/test/vm/job"
)

// Options say how the tests are compiled and run.
type Options struct {
	Tags    []string
	Race    bool
	Run     string // pattern for -test.run; empty for the tests that need the tags
	Short   bool   // -test.short: what is left out has a target of its own
	Timeout time.Duration
	Env     []string
}

// ID is the package's name as a file or job name.
func (p Package) ID() string { return strings.ReplaceAll(p.Name, "/", "-") }

// Matches tells whether the -run pattern run can match one of p's tests.
func (p Package) Matches(run string) bool {
	top, _, _ := strings.Cut(run, "/") // what follows is about subtests
	pattern, err := regexp.Compile(top)
	return err != nil || slices.ContainsFunc(p.Tests, pattern.MatchString) // a bad pattern is the binary's to refuse
}

// Compile builds p's test binary at path.
func (p Package) Compile(ctx context.Context, path string, o Options) error {
	args := []string{"test", "-c", "-o", path, "-tags", strings.Join(o.Tags, ",")}
	if o.Race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = p.Dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the tests of %s: %w\n%s", p.Name, err, said)
	}
	return nil
}

// Job is the run of p's compiled tests, found at path on the machine.
func (p Package) Job(path string, o Options) job.Job {
	return job.Job{
		Name: p.ID(),
		Command: []string{
			path, "-test.v=test2json", "-test.paniconexit0", "-test.run=" + p.pattern(o.Run),
			"-test.timeout=" + o.Timeout.String(), "-test.short=" + strconv.FormatBool(o.Short),
		},
		Dir: p.Dir, Env: o.Env,
		Timeout: job.Duration(o.Timeout + time.Minute), // the binary tells more about its own timeout
	}
}

// pattern names the tests of p that run matches, so that none of a scenario's is
// among them. What is about subtests is left to the binary, and a bad one too.
func (p Package) pattern(run string) string {
	wanted, err := regexp.Compile(run)
	if err != nil || strings.Contains(run, "/") {
		return run
	}
	tests := slices.DeleteFunc(slices.Clone(p.Tests), func(t string) bool { return !wanted.MatchString(t) })
	return "^(" + strings.Join(tests, "|") + ")$"
}

// Path is where p's binary is below dir.
func (p Package) Path(dir string) string { return filepath.Join(dir, p.ID()+".test") }
