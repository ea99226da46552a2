package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/dmthin/dmthin/test/vm/job"
)

// poll is how often the shared folder is looked at.
const poll = 100 * time.Millisecond

// errNotUp: the machine ended before the agent started, so nothing has run.
var errNotUp = errors.New("the machine did not come up")

// watcher follows one boot through the files the agent leaves in the share.
type watcher struct {
	session Session
	jobs    []job.Job
	console string
	limit   time.Time // by when the agent must have started
	cut     func()    // ends the machine

	results []job.Result
	offset  int64 // of the running job's output, already passed on
}

// watch returns when the machine has ended.
func (w *watcher) watch(ctx context.Context, died <-chan error) ([]job.Result, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case err := <-died:
			w.collect()
			if ctx.Err() != nil {
				return w.results, context.Cause(ctx)
			}
			return w.results, w.conclude(err)
		case <-tick.C:
			w.collect()
			if !w.limit.IsZero() {
				w.checkStart()
			}
		}
	}
}

func (w *watcher) checkStart() {
	if _, err := os.Stat(filepath.Join(w.session.Out, job.StartedFile)); err == nil {
		w.limit = time.Time{}
	} else if time.Now().After(w.limit) {
		w.cut()
	}
}

// collect passes on what came since the last look.
func (w *watcher) collect() {
	for len(w.results) < len(w.jobs) {
		current := w.jobs[len(w.results)]
		dir := filepath.Join(w.session.Out, current.Name)
		var res job.Result
		// The result first: all output is there once it is.
		err := job.ReadFile(filepath.Join(dir, job.ResultFile), &res)
		w.follow(filepath.Join(dir, job.OutputFile))
		if err != nil {
			return
		}
		w.finish(res)
	}
}

func (w *watcher) follow(path string) {
	if w.session.Follow == nil {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return // the job has not begun
	}
	defer f.Close()
	if _, err := f.Seek(w.offset, io.SeekStart); err != nil {
		return
	}
	n, _ := io.Copy(w.session.Follow, f) // what is missed now comes with the next look
	w.offset += n
}

func (w *watcher) finish(res job.Result) {
	w.results = append(w.results, res)
	w.offset = 0
	if w.session.Done != nil {
		w.session.Done(res)
	}
}

// conclude accounts for the jobs without a result when the machine has ended.
func (w *watcher) conclude(err error) error {
	if len(w.results) == len(w.jobs) {
		return nil
	}
	current := w.jobs[len(w.results)]
	why := w.lastWords(err)
	if current.PowerCut && w.began(current) && err == nil && !crashed(w.console) {
		// It pulled the plug itself.
		w.finish(job.Result{Name: current.Name})
		return nil
	}
	if !w.limit.IsZero() {
		return fmt.Errorf("%w: %s", errNotUp, why)
	}
	w.finish(job.Result{Name: current.Name, ExitCode: -1, Failure: "the machine died: " + why})
	for _, j := range w.jobs[len(w.results):] {
		w.finish(job.Result{Name: j.Name, ExitCode: -1, Failure: "not run: the machine died before"})
	}
	return nil
}

func (w *watcher) began(j job.Job) bool {
	_, err := os.Stat(filepath.Join(w.session.Out, j.Name, job.OutputFile))
	return !errors.Is(err, os.ErrNotExist)
}

var crash = regexp.MustCompile(`Kernel panic|\bOops\b|\bBUG:`)

func crashed(console string) bool {
	text, err := os.ReadFile(console)
	return err != nil || crash.Match(text)
}

// lastWords says why the machine ended, with the end of its console.
func (w *watcher) lastWords(err error) string {
	why := "it powered off early"
	if err != nil {
		why = err.Error()
	}
	text, _ := os.ReadFile(w.console) // none at all is worth showing too
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > 15 {
		lines = lines[len(lines)-15:]
	}
	return fmt.Sprintf("%s; its console (%s) ends with:\n\t%s", why, w.console, strings.Join(lines, "\n\t"))
}
