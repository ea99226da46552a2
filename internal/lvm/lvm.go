package lvm

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/executable"
)

const (
	// timeout bounds one command. The longest is to blank the metadata volume
	// of a large pool: 16 GiB at most.
	timeout = 10 * time.Minute
	// LVM ends what it may not leave half done before it obeys a signal; only
	// after this long is it killed.
	stopDelay = time.Minute
	// Reports grow with the number of volumes on the host, 1 KiB each or so.
	maxOutput = 16 << 20

	systemDir = "/etc/lvm"
)

// Config says where commands find their settings.
type Config struct {
	// Dir takes LVM's backups of its metadata and its profiles where the host's
	// /etc/lvm is not to be seen, in the managed plugin for instance. It is made
	// when it is needed.
	Dir string
	Log logrus.FieldLogger // what is run, at debug level; nil: no log
}

// LVM runs commands. It may be used from many goroutines: LVM orders by its
// own locks what must not run at once.
type LVM struct {
	dir    string // "" where the host's settings apply
	system string
	log    logrus.FieldLogger
}

// New looks whether the host's settings are there.
func New(cfg Config) *LVM { return newIn(cfg, systemDir) }

func newIn(cfg Config, system string) *LVM {
	l := &LVM{dir: cfg.Dir, system: system, log: cfg.Log}
	if _, err := os.Stat(filepath.Join(system, "lvm.conf")); err == nil {
		l.dir = ""
	}
	return l
}

// Run runs a command, which must succeed.
func (l *LVM) Run(ctx context.Context, c Command) error {
	_, err := l.output(ctx, c)
	return err
}

// output runs a command without a shell and returns what it printed.
func (l *LVM) output(ctx context.Context, c Command) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	name, args, err := l.prepare(c)
	if err != nil {
		return nil, &Error{Command: c, Err: err}
	}
	start := time.Now()
	var stdout, stderr capture
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1")
	if l.dir != "" {
		cmd.Env = append(cmd.Env, "LVM_SYSTEM_DIR="+l.dir)
	}
	cmd.Dir = "/"
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopDelay
	err = cmd.Run()
	if l.log != nil {
		l.log.WithFields(logrus.Fields{"took": time.Since(start).Round(time.Millisecond), "stderr": complaint(stderr.buf)}).Debugf("ran %s", c)
	}
	if err == nil {
		return stdout.buf, nil
	}
	text := complaint(stderr.buf)
	failure := &Error{Command: c, Said: text, Kind: classify(text), Err: err}
	if ctx.Err() != nil {
		failure.Err = context.Cause(ctx)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		failure.Kind = ErrTooLong
	}
	return stdout.buf, failure
}

// prepare returns the program's path and its arguments. LVM's commands are all
// one program, which takes their names as its first argument too.
func (l *LVM) prepare(c Command) (path string, args []string, err error) {
	program := c.Program
	if isLVM(program) {
		program = "lvm"
	}
	if path, err = executable.Find(program); err != nil {
		return "", nil, &MissingToolError{Program: c.Program}
	}
	if !isLVM(c.Program) {
		return path, c.Args, nil
	}
	args = []string{c.Program}
	settings, err := l.settings()
	if err != nil {
		return "", nil, err
	}
	// LVM takes the option once.
	if settings = strings.TrimSpace(settings + " " + c.settings); settings != "" {
		args = append(args, "--config", settings)
	}
	return path, append(args, c.Args...), nil
}

func isLVM(program string) bool {
	return program == "lvmconfig" || len(program) > 2 && slices.Contains([]string{"pv", "vg", "lv"}, program[:2])
}

// capture keeps what a program writes, and refuses an amount that no report
// has.
type capture struct{ buf []byte }

func (c *capture) Write(p []byte) (int, error) {
	if len(c.buf)+len(p) > maxOutput {
		return 0, errors.New("output is longer than any report")
	}
	c.buf = append(c.buf, p...)
	return len(p), nil
}

// complaint joins the lines of a program's standard error that say why it
// failed. Where it only warned, the warnings are all there is.
func complaint(stderr []byte) string {
	var faults, warnings []string
	for line := range strings.Lines(string(stderr)) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "" || slices.Contains(faults, line) || slices.Contains(warnings, line):
		case strings.HasPrefix(line, "WARNING: "):
			warnings = append(warnings, line)
		case !strings.HasPrefix(line, "File descriptor "):
			faults = append(faults, line)
		}
	}
	return cmp.Or(strings.Join(faults, "; "), strings.Join(warnings, "; "))
}
