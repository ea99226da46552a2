package thintools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/dmthin/dmthin/internal/executable"
)

// ErrMissing is returned where a program is not installed.
var ErrMissing = errors.New("not installed; install the package thin-provisioning-tools (Fedora and its kin: device-mapper-persistent-data)")

// killDelay is how long a killed program may keep its pipes open.
const killDelay = 5 * time.Second

// run runs a program without a shell and returns its words, errors first. The
// context's end kills it.
func run(ctx context.Context, program string, args ...string) (string, error) {
	path, err := executable.Find(program)
	if err != nil {
		return "", fmt.Errorf("%s is %w", program, ErrMissing)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Dir = "/"
	cmd.WaitDelay = killDelay
	err = cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return stderr.String() + stdout.String(), err
}

// lines returns the lines of a program's words, without those that come at
// every run ("examining superblock", "TRANSACTION_ID=4").
func lines(words string) []string {
	var kept []string
	for line := range strings.Lines(words) {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || strings.HasPrefix(line, "examining ") || strings.HasPrefix(line, "checking ") ||
			strings.HasPrefix(line, "TRANSACTION_ID=") || strings.HasPrefix(line, "METADATA_FREE_BLOCKS=") {
			continue
		}
		kept = append(kept, line)
	}
	return kept
}
