package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// noArguments is cobra.NoArgs, which calls an argument an unknown command.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("takes no arguments, got %q", strings.Join(args, " "))
	}
	return nil
}

// exactlyOne is cobra.ExactArgs(1) with a message that names what is missing.
func exactlyOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("needs one %s, got %d", name, len(args))
		}
		return nil
	}
}

// exactly is the same for several.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return fmt.Errorf("needs %s, got %d of them", strings.Join(names, " and "), len(args))
		}
		return nil
	}
}

// existingCommand has cobra's help refuse a command that there is not: it
// prints the root's help and succeeds.
func existingCommand(help *cobra.Command, args []string) error {
	cmd, rest, err := help.Root().Find(args)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("unknown command %q for %q", rest[0], cmd.CommandPath())
	}
	return err
}
