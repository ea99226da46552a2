package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProfilesAreWrittenInTheMachineAndFetched(t *testing.T) {
	dir := t.TempDir()
	wanted := filepath.Join(dir, "cover.out")
	p := newProfiles("program")
	got := p.rewrite([]string{
		"-test.paniconexit0", "-test.testlogfile=/tmp/log", "-test.coverprofile=" + wanted, "-test.cpuprofile=" + filepath.Join(dir, "never"),
		"-test.outputdir=/x", "plain",
	})
	want := []string{
		"-test.paniconexit0", "-test.coverprofile=/vm/out/program/artifacts/coverprofile",
		"-test.cpuprofile=/vm/out/program/artifacts/cpuprofile", "plain",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	out := filepath.Join(dir, "out")
	if err := os.MkdirAll(filepath.Join(out, "artifacts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "artifacts/coverprofile"), []byte("mode: set\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.fetch(out); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(wanted); err != nil || string(text) != "mode: set\n" {
		t.Errorf("fetched %q, %v", text, err)
	}
}

func TestOnlyWhatATestUnderstandsIsPassedOn(t *testing.T) {
	got := passedOn([]string{"PATH=/bin", "SECRET=x", "DMTHIN_SEED=1", "GODEBUG=x=1", "GOPATH=/go", "DMTHIN_VM_CACHE=/c"})
	if diff := cmp.Diff([]string{"DMTHIN_SEED=1", "GODEBUG=x=1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMachineOutlivesTheTestsOwnTimeout(t *testing.T) {
	if got := testTimeout([]string{"-test.v", "-test.timeout=90s"}); got <= 90*time.Second {
		t.Errorf("got %s", got)
	}
	if got := testTimeout([]string{"-test.timeout=0s"}); got < time.Hour {
		t.Errorf("no timeout became %s", got)
	}
}

func TestScriptListWithPowerCuts(t *testing.T) {
	root := t.TempDir()
	script := filepath.Join(root, "a.sh")
	if err := os.WriteFile(script, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	jobs, err := scriptJobs(root, []string{script, "CUT", script}, time.Minute)
	if err != nil || len(jobs) != 2 || !jobs[0].PowerCut || jobs[1].PowerCut || jobs[0].Name == jobs[1].Name {
		t.Errorf("got %+v, %v", jobs, err)
	}
	for _, bad := range [][]string{nil, {"CUT", script}, {filepath.Join(root, "missing")}, {"/bin/sh"}} {
		if jobs, err := scriptJobs(root, bad, time.Minute); err == nil {
			t.Errorf("%q became %+v", bad, jobs)
		}
	}
}
