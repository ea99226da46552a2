// Package session takes a list of jobs through one or more boots of a test
// machine and brings the results back.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dmthin/dmthin/test/vm/image"
	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/machine"
)

// Session describes one run. All boots of it use the same disks.
type Session struct {
	Image  image.Image
	Accel  machine.Accel
	Repo   string // source tree, seen read-only by the jobs under the same path
	Work   string // folder for what is thrown away afterwards: disks, shares
	Out    string // folder for what stays: a folder per job, the consoles
	Agent  string // the compiled guest agent
	Memory string
	CPUs   int
	// Files are copied to the machine: name below /vm/in/files to host path.
	Files map[string]string
	// Follow gets a job's output as it comes; nil for nobody.
	Follow io.Writer
	// Terminal gives the jobs this process's terminal, as the second serial port.
	Terminal bool
	// Done is called after each job.
	Done func(job.Result)
}

// FilesDir is where the machine finds Session.Files.
const FilesDir = "/vm/in/files"

// OutDir is the machine's path of Session.Out.
const OutDir = "/vm/out"

// disks are the machine's, /dev/vdb and on: sparse, empty at the start of a
// session. The first carries a filesystem for the tests; the others are theirs
// as they are.
var disks = []struct {
	name string
	size int64
}{{"data.img", 20 << 30}, {"spare1.img", 8 << 30}, {"spare2.img", 8 << 30}}

// Run runs the jobs in order. A job with PowerCut ends its boot; the rest run
// on the next boot with the same disks. The result of every job is returned,
// also of those that could not run. The error says that the session itself
// failed; failed jobs are no error.
func (s Session) Run(ctx context.Context, jobs []job.Job) ([]job.Result, error) {
	disks, err := s.prepare()
	if err != nil {
		return nil, err
	}
	var results []job.Result
	for n, boot := range split(jobs) {
		done, err := twice(ctx, func() ([]job.Result, error) { return s.boot(ctx, n+1, boot, disks) })
		results = append(results, done...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// twice boots again where the machine didn't come up: under emulation about one
// kernel in fifty panics in its first seconds.
func twice(ctx context.Context, boot func() ([]job.Result, error)) ([]job.Result, error) {
	results, err := boot()
	if errors.Is(err, errNotUp) && ctx.Err() == nil {
		return boot()
	}
	return results, err
}

// split cuts the list after every job that cuts the power.
func split(jobs []job.Job) [][]job.Job {
	var boots [][]job.Job
	start := 0
	for i, j := range jobs {
		if j.PowerCut || i == len(jobs)-1 {
			boots = append(boots, jobs[start:i+1])
			start = i + 1
		}
	}
	return boots
}

// prepare fills the share and makes the disks.
func (s Session) prepare() (paths []string, err error) {
	in := s.in()
	if err := os.MkdirAll(filepath.Join(in, "files"), 0o755); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return nil, err
	}
	env := fmt.Sprintf("REPO='%s'\nDISTRO='%s'\n", s.Repo, s.Image.Distro.Name)
	if err := os.WriteFile(filepath.Join(in, "env"), []byte(env), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(in, "init.sh"), []byte(machine.Init), 0o755); err != nil {
		return nil, err
	}
	if err := copyFile(s.Agent, filepath.Join(in, "guest")); err != nil {
		return nil, err
	}
	for name, path := range s.Files {
		if err := copyFile(path, filepath.Join(in, "files", name)); err != nil {
			return nil, err
		}
	}
	for _, d := range disks {
		path := filepath.Join(s.Work, d.name)
		if err := makeSparse(path, d.size); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (s Session) in() string { return filepath.Join(s.Work, "in") }

// bootLimit is the time from power-on to the agent's start, generous for an
// emulated CPU on a busy host.
const bootLimit = 4 * time.Minute

// boot powers the machine on for one list of jobs.
func (s Session) boot(ctx context.Context, n int, jobs []job.Job, disks []string) ([]job.Result, error) {
	if err := job.WriteFile(filepath.Join(s.in(), job.PlanFile), job.Plan{Jobs: jobs}); err != nil {
		return nil, err
	}
	_ = os.Remove(filepath.Join(s.Out, job.StartedFile)) // absent on the first boot
	limit := bootLimit
	for _, j := range jobs {
		limit += j.Limit() + 30*time.Second
	}
	bootCtx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the machine did not power off in time"))
	defer cancel()
	console := filepath.Join(s.Out, fmt.Sprintf("console-%d.log", n))
	died := make(chan error, 1)
	go func() {
		died <- machine.Run(bootCtx, machine.Config{
			Image: s.Image, Accel: s.Accel, In: s.in(), Out: s.Out, Repo: s.Repo,
			Disks: disks, Console: console, CPUs: s.CPUs, Memory: s.Memory, Terminal: s.Terminal,
		})
	}()
	w := watcher{session: s, jobs: jobs, console: console, limit: time.Now().Add(bootLimit), cut: cancel}
	return w.watch(ctx, died)
}

func makeSparse(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// copyFile links src to dst, or copies where that is impossible.
func copyFile(src, dst string) error {
	if err := os.Link(src, dst); err == nil {
		return nil
	}
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
