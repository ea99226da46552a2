package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const stopTimeout = 5 * time.Minute // thousands of devices may be active

// program runs until it is told to end. It outlives the context of its start:
// what it has mounted must go first.
type program struct {
	cmd    *exec.Cmd
	log    string // file
	exited chan error
}

// launch starts cmd, with what it says at the end of the file log.
func launch(cmd *exec.Cmd, log string) (*program, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the program has its own
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &program{cmd: cmd, log: log, exited: make(chan error, 1)}
	go func() { p.exited <- cmd.Wait(); close(p.exited) }()
	return p, nil
}

// ready tries until it succeeds, with a pause after each failure.
func (p *program) ready(ctx context.Context, limit, pause time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at its start, see %s", p.cmd.Path, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.cmd.Path, err)
		case <-time.After(pause):
		}
	}
}

func (p *program) stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	select {
	case err := <-p.exited:
		return err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s runs on after SIGTERM", p.cmd.Path), p.cmd.Process.Kill())
	}
}
