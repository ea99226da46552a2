package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/term"
)

// guestTerminal is the machine's second serial port.
const guestTerminal = "/dev/ttyS1"

// runShell runs one script that may go on as long as its user likes. On a
// terminal the script finds the machine's end of it in $DMTHIN_TERMINAL.
func runShell(ctx context.Context, e environment, args []string) error {
	flags := flag.NewFlagSet("vm shell", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: vm shell [flags] SCRIPT\n"+
			"Runs a script of the source tree; on a terminal, with the terminal as $DMTHIN_TERMINAL.")
		flags.PrintDefaults()
	}
	distro := flags.String("distro", "trixie", "release to boot")
	timeout := flags.Duration("timeout", 24*time.Hour, "time the script may take")
	_ = flags.Parse(args) // ExitOnError
	jobs, err := scriptJobs(e.root, flags.Args(), *timeout)
	if err != nil {
		return err
	}
	out := filepath.Join(e.root, "build", "vm", *distro, "shell")
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	s, remove, err := e.newSession(ctx, *distro, out)
	if err != nil {
		return err
	}
	defer remove()
	s.Follow = os.Stdout
	jobs[0].Env = passedOn(os.Environ())
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		// QEMU changes the terminal and can't put it back if it is killed.
		before, err := term.GetState(int(os.Stdin.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(os.Stdin.Fd()), before) }()
		s.Terminal = true
		jobs[0].Env = append(jobs[0].Env, terminalEnv()...)
	}
	results, err := s.Run(ctx, jobs[:1])
	if err != nil {
		return err
	}
	return report(results[0])
}

// terminalEnv describes the user's terminal, which a serial line does not.
func terminalEnv() []string {
	env := []string{"DMTHIN_TERMINAL=" + guestTerminal}
	if name := os.Getenv("TERM"); name != "" {
		env = append(env, "TERM="+name)
	}
	if columns, lines, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		env = append(env, "LINES="+strconv.Itoa(lines), "COLUMNS="+strconv.Itoa(columns))
	}
	return env
}
