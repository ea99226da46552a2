package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/dmthin/dmthin/internal/executable"
)

const (
	// Programs are chatty on damaged filesystems; the last lines say why.
	maxOutput = 16 << 10
	// How long a killed program may keep its pipes open.
	killDelay = 5 * time.Second
)

// tail keeps the last maxOutput bytes written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxOutput; over > 0 {
		t.buf = slices.Delete(t.buf, 0, over)
	}
	return len(p), nil
}

// run runs a program without a shell. Exit statuses in accept are no failure
// (fsck reports what it repaired that way). The context's end kills it.
func run(ctx context.Context, target, program string, args []string, accept ...int) (string, error) {
	path, err := executable.Find(program)
	if err != nil {
		return "", &ProgramError{Program: program, Target: target, Err: err}
	}
	var stdout, stderr tail
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Dir = "/"
	cmd.WaitDelay = killDelay
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && slices.Contains(accept, exit.ExitCode()) {
		err = nil
	}
	if err == nil {
		return string(stdout.buf), nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	complaint := oneLine(string(stderr.buf))
	if complaint == "" {
		complaint = oneLine(string(stdout.buf))
	}
	return string(stdout.buf), &ProgramError{Program: program, Target: target, Stderr: complaint, Err: err}
}

// oneLine joins a program's lines, leaving out the banner that e2fsprogs print
// first ("mke2fs 1.47.0 (5-Feb-2023)").
func oneLine(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || isBanner(line) {
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

func isBanner(line string) bool {
	var name, version, date string
	n, _ := fmt.Sscanf(line, "%s %s (%s", &name, &version, &date)
	return n == 3 && version[0] >= '0' && version[0] <= '9' && strings.HasSuffix(line, ")")
}
