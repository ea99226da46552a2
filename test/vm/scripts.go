package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmthin/dmthin/test/vm/job"
)

// runScripts runs shell scripts or other programs of the source tree, one after
// the other in one boot, with their output as it comes.
func runScripts(ctx context.Context, e environment, args []string) error {
	flags := flag.NewFlagSet("vm run", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: vm run [flags] SCRIPT…\n"+
			"Runs scripts of the source tree on one boot, each from the tree's root.\n"+
			"The word CUT between two scripts cuts the power; the rest run on the next boot with the same disks.")
		flags.PrintDefaults()
	}
	distro := flags.String("distro", "trixie", "release to boot")
	timeout := flags.Duration("timeout", job.DefaultTimeout, "time each script may take")
	out := flags.String("out", "", "folder for logs and artifacts (default build/vm/DISTRO/run)")
	_ = flags.Parse(args) // ExitOnError
	jobs, err := scriptJobs(e.root, flags.Args(), *timeout)
	if err != nil {
		return err
	}
	if *out == "" {
		*out = filepath.Join(e.root, "build", "vm", *distro, "run")
	}
	if *out, err = filepath.Abs(*out); err != nil {
		return err
	}
	if err := os.RemoveAll(*out); err != nil {
		return err
	}
	s, remove, err := e.newSession(ctx, *distro, *out)
	if err != nil {
		return err
	}
	defer remove()
	s.Follow = os.Stdout
	results, err := s.Run(ctx, jobs)
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		if err := report(r); err != nil {
			fmt.Fprintf(os.Stderr, "vm: %s: %v\n", r.Name, err)
			failed++
		}
	}
	fmt.Printf("%d passed, %d failed; logs in %s\n", len(results)-failed, failed, *out)
	if failed > 0 {
		return errFailed
	}
	return nil
}

// cutWord stands for a power cut in a list of scripts.
const cutWord = "CUT"

func scriptJobs(root string, words []string, timeout time.Duration) ([]job.Job, error) {
	var jobs []job.Job
	for _, word := range words {
		if word == cutWord {
			if len(jobs) == 0 {
				return nil, errors.New("nothing runs before the power cut")
			}
			jobs[len(jobs)-1].PowerCut = true
			continue
		}
		path, err := filepath.Abs(word)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(path, root+"/") {
			return nil, fmt.Errorf("%s lies outside the source tree, which is all the machine sees", path)
		}
		jobs = append(jobs, job.Job{
			Name:    fmt.Sprintf("%02d-%s", len(jobs)+1, filepath.Base(path)),
			Command: []string{path}, Dir: root, Env: passedOn(os.Environ()), Timeout: job.Duration(timeout),
		})
	}
	if len(jobs) == 0 {
		return nil, errors.New("no script to run")
	}
	return jobs, nil
}
