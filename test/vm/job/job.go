// Package job describes what a test machine is asked to do and what came of
// it. Host and guest exchange these types as JSON files over a shared folder;
// the package knows neither QEMU nor Go's testing output.
package job

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Job is one program run as root on the test machine.
type Job struct {
	// Name labels the job and names its result folder: letters, digits, '-', '_' and '.'.
	Name string `json:"name"`
	// Command is the program and its arguments, in the machine's paths.
	Command []string `json:"command"`
	// Dir is the working directory; empty means /.
	Dir string `json:"dir,omitempty"`
	// Env is added to the small environment each job gets.
	Env []string `json:"env,omitempty"`
	// Timeout is enforced on the machine; 0 means DefaultTimeout.
	Timeout Duration `json:"timeout,omitempty"`
	// PowerCut resets the machine without any sync as soon as the job ends.
	// The job may also do so itself (echo b >/proc/sysrq-trigger).
	PowerCut bool `json:"powerCut,omitempty"`
}

// DefaultTimeout bounds a job that names no timeout of its own.
const DefaultTimeout = 10 * time.Minute

// Limit is the time the job may take.
func (j Job) Limit() time.Duration {
	if j.Timeout > 0 {
		return j.Timeout.Std()
	}
	return DefaultTimeout
}

// Plan is the work of one boot.
type Plan struct {
	Jobs []Job `json:"jobs"`
}

// Result is what came of one job.
type Result struct {
	Name     string `json:"name"`
	ExitCode int    `json:"exitCode"` // -1 when ended by a signal or never started
	// Failure says what went wrong besides the exit status: not started, timed
	// out, ended by a signal, machine died. Empty when nothing did.
	Failure string   `json:"failure,omitempty"`
	Seconds float64  `json:"seconds"`
	Faults  []string `json:"kernelFaults,omitempty"` // kernel log lines that no test announced
	// Leftover lists programs that outlived the job and were killed.
	Leftover []string `json:"leftover,omitempty"`
}

// OK reports whether the job itself and the kernel under it were fine.
func (r Result) OK() bool {
	return r.ExitCode == 0 && r.Failure == "" && len(r.Faults) == 0
}

// Files in the folders shared between host and guest.
const (
	PlanFile    = "plan.json"   // host to guest: what to run
	StartedFile = "started"     // guest to host: the agent runs
	ResultFile  = "result.json" // in a job's folder, once it has ended
	OutputFile  = "output.log"  // in a job's folder: stdout and stderr as they come
	KernelFile  = "dmesg.log"   // in a job's folder: kernel log of that time
	ArtifactDir = "artifacts"   // in a job's folder: $DMTHIN_ARTIFACTS of the job
)

// Duration is a time.Duration written as "90s" or "5m" in JSON.
type Duration time.Duration

// Std is d for the standard library.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(d.Std().String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// ReadFile decodes the JSON file at path into v.
func ReadFile(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// WriteFile stores v as JSON at path, appearing at once or not at all.
func WriteFile(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.WriteFile(tmp, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
