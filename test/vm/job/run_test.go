package job

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sh runs a shell script as a job.
func sh(t *testing.T, script string, timeout time.Duration) (Result, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "job")
	res := Run(t.Context(), Job{Name: "job", Command: []string{"/bin/sh", "-c", script}, Dir: "/", Timeout: Duration(timeout)}, dir, nil)
	out, err := os.ReadFile(filepath.Join(dir, OutputFile))
	if err != nil {
		t.Fatal(err)
	}
	var stored Result
	if err := ReadFile(filepath.Join(dir, ResultFile), &stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res, stored); diff != "" {
		t.Errorf("stored is not what was returned: %s", diff)
	}
	return res, string(out)
}

func TestExitStatusAndOutputComeBack(t *testing.T) {
	res, out := sh(t, "pwd; echo err >&2; exit 3", time.Minute)
	if res.ExitCode != 3 || res.Failure != "" || res.OK() {
		t.Errorf("got %+v", res)
	}
	if out != "/\nerr\n" {
		t.Errorf("output %q", out)
	}
}

func TestJobThatGoesWellIsOK(t *testing.T) {
	res, _ := sh(t, `echo kept >"$DMTHIN_ARTIFACTS/x"`, time.Minute)
	if !res.OK() {
		t.Errorf("got %+v", res)
	}
}

func TestSignalIsAFailure(t *testing.T) {
	res, _ := sh(t, "kill -SEGV $$", time.Minute)
	if res.ExitCode != -1 || !strings.Contains(res.Failure, "segmentation") {
		t.Errorf("got %+v", res)
	}
}

func TestTimeoutEndsTheWholeProcessGroup(t *testing.T) {
	res, out := sh(t, "sleep 60 & echo $!; wait", 200*time.Millisecond)
	if !strings.Contains(res.Failure, "timed out after 200ms") {
		t.Errorf("got %+v", res)
	}
	first, _, _ := strings.Cut(out, "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d of the job still runs", pid)
		}
	}
}

// running tells whether pid exists and is no zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestDaemonLeftBehindIsNotWaitedFor(t *testing.T) {
	begin := time.Now()
	res, _ := sh(t, "setsid sleep 3 & exit 0", time.Minute)
	if !res.OK() || time.Since(begin) > 2*time.Second {
		t.Errorf("after %s: %+v", time.Since(begin), res)
	}
}

func TestMissingProgramIsAFailure(t *testing.T) {
	res := Run(t.Context(), Job{Name: "x", Command: []string{"/no/such"}}, t.TempDir(), nil)
	if res.OK() || res.Failure == "" {
		t.Errorf("got %+v", res)
	}
}

func TestKernelFaultMakesTheResultBad(t *testing.T) {
	if (Result{Faults: []string{"BUG: oh"}}).OK() {
		t.Error("a kernel fault passes")
	}
}
