package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// errDeclined ends a command whose question was not answered with yes.
var errDeclined = errors.New("not confirmed; nothing was changed")

// confirm asks before something is lost, unless yes says that the caller has
// been asked. Scripts have nobody to ask and must say so.
func confirm(cmd *cobra.Command, question string, yes bool) error {
	if yes {
		return nil
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		text := "standard input is no terminal to ask on: give --yes"
		if cmd.Flags().Lookup("dry-run") != nil {
			text += ", after a look at the plan with --dry-run"
		}
		return errors.New(text)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	// A read from a terminal goes on after Ctrl-C, until the next line.
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // without a line: empty, which is no
		answer <- line
	}()
	select {
	case <-cmd.Context().Done():
		fmt.Fprintln(cmd.ErrOrStderr())
		return cmd.Context().Err()
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	}
}
