package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/test/vm/job"
	"github.com/dmthin/dmthin/test/vm/session"
)

// profiles are the files a test binary is told to write on the host. In the
// machine they go to the shared folder, and from there to their place.
type profiles struct {
	job   string
	files map[string]string // name in the job's artifacts to host path
}

func newProfiles(jobName string) *profiles {
	return &profiles{job: jobName, files: map[string]string{}}
}

var profileFlags = []string{"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace"}

// rewrite changes the flags that name output files. -test.testlogfile is
// dropped: the files it would list for the result cache are the machine's.
func (p *profiles) rewrite(args []string) []string {
	var rewritten []string
	for _, arg := range args {
		flag, value, _ := strings.Cut(strings.TrimPrefix(arg, "-test."), "=")
		switch {
		case !strings.HasPrefix(arg, "-test."):
		case flag == "testlogfile", flag == "outputdir":
			continue
		case slices.Contains(profileFlags, flag) && value != "":
			p.files[flag] = value
			arg = "-test." + flag + "=" + filepath.Join(session.OutDir, p.job, job.ArtifactDir, flag)
		}
		rewritten = append(rewritten, arg)
	}
	return rewritten
}

// fetch copies what was written below the job's folder dir to where it was wanted.
func (p *profiles) fetch(dir string) error {
	for name, dst := range p.files {
		data, err := os.ReadFile(filepath.Join(dir, job.ArtifactDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the tests failed before they could write it
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(dst, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
