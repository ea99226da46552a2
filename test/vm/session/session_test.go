package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/test/vm/job"
)

func TestBootsAreSplitAfterPowerCuts(t *testing.T) {
	a, cut, b := job.Job{Name: "a"}, job.Job{Name: "cut", PowerCut: true}, job.Job{Name: "b"}
	for _, tt := range []struct {
		jobs []job.Job
		want [][]job.Job
	}{
		{nil, nil},
		{[]job.Job{a, b}, [][]job.Job{{a, b}}},
		{[]job.Job{a, cut, b}, [][]job.Job{{a, cut}, {b}}},
		{[]job.Job{cut, cut}, [][]job.Job{{cut}, {cut}}},
	} {
		if diff := cmp.Diff(tt.want, split(tt.jobs)); diff != "" {
			t.Error(diff)
		}
	}
}

// bootOf returns the watcher of a machine that left the given files behind.
func bootOf(t *testing.T, jobs []job.Job, files map[string]string) *watcher {
	t.Helper()
	out := t.TempDir()
	for name, text := range files {
		path := filepath.Join(out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := &watcher{session: Session{Out: out}, jobs: jobs, console: filepath.Join(out, "console"), cut: func() {}}
	if _, started := files[job.StartedFile]; !started {
		w.limit = time.Now().Add(time.Hour)
	}
	return w
}

// ended makes w watch a machine that has ended with err.
func ended(t *testing.T, w *watcher, err error) ([]job.Result, error) {
	t.Helper()
	died := make(chan error, 1)
	died <- err
	return w.watch(t.Context(), died)
}

var twoJobs = []job.Job{{Name: "a"}, {Name: "b"}}

func TestOutputAndResultsArePassedOn(t *testing.T) {
	w := bootOf(t, twoJobs, map[string]string{
		"started": "", "a/output.log": "from a\n", "a/result.json": `{"name": "a", "exitCode": 1}`,
		"b/output.log": "from b\n", "b/result.json": `{"name": "b"}`,
	})
	var out strings.Builder
	var names []string
	w.session.Follow, w.session.Done = &out, func(r job.Result) { names = append(names, r.Name) }
	results, err := ended(t, w, nil)
	if err != nil || len(results) != 2 || results[0].ExitCode != 1 || !results[1].OK() {
		t.Errorf("got %+v, %v", results, err)
	}
	if out.String() != "from a\nfrom b\n" || !cmp.Equal(names, []string{"a", "b"}) {
		t.Errorf("passed on %q of %q", out.String(), names)
	}
}

func TestMachineThatDiesFailsTheJobAndTheRest(t *testing.T) {
	w := bootOf(t, twoJobs, map[string]string{"started": "", "a/output.log": "", "console": "Kernel panic - not syncing\n"})
	results, err := ended(t, w, nil)
	if err != nil || len(results) != 2 {
		t.Fatalf("got %+v, %v", results, err)
	}
	if results[0].OK() || !strings.Contains(results[0].Failure, "Kernel panic") {
		t.Errorf("the failure does not show the console: %+v", results[0])
	}
	if results[1].OK() || !strings.Contains(results[1].Failure, "not run") {
		t.Errorf("a job that did not run: %+v", results[1])
	}
}

func TestMachineThatDoesNotComeUpIsAnError(t *testing.T) {
	w := bootOf(t, twoJobs, map[string]string{"console": "cannot mount the root disk\n"})
	if _, err := ended(t, w, errors.New("no KVM")); err == nil || !strings.Contains(err.Error(), "cannot mount the root disk") {
		t.Errorf("got %v", err)
	}
}

func TestMachineThatDidNotComeUpIsBootedOnceMore(t *testing.T) {
	for _, tt := range []struct {
		what  string
		err   error
		boots int
	}{
		{"comes up", nil, 1},
		{"never comes up", errNotUp, 2},
		{"fails later", errors.New("the share is gone"), 1},
	} {
		boots := 0
		_, err := twice(t.Context(), func() ([]job.Result, error) { boots++; return nil, tt.err })
		if boots != tt.boots || !errors.Is(err, tt.err) {
			t.Errorf("a machine that %s: %d boots and %v", tt.what, boots, err)
		}
	}
}

func TestJobMayCutThePowerItselfButNotByCrashing(t *testing.T) {
	cut := []job.Job{{Name: "a", PowerCut: true}}
	for console, ok := range map[string]bool{"sysrq: Resetting\n": true, "Oops: 0002\n": false} {
		w := bootOf(t, cut, map[string]string{"started": "", "a/output.log": "", "console": console})
		results, err := ended(t, w, nil)
		if err != nil || len(results) != 1 || results[0].OK() != ok {
			t.Errorf("console %q: got %+v, %v", console, results, err)
		}
	}
}
