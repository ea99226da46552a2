package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newCompletionCommand replaces cobra's, which answers an unknown shell with
// help and success.
func newCompletionCommand(a *app) *cobra.Command {
	shells := map[string]func(root *cobra.Command) error{
		"bash": func(root *cobra.Command) error { return root.GenBashCompletionV2(a.out, true) },
		"fish": func(root *cobra.Command) error { return root.GenFishCompletion(a.out, true) },
		"zsh":  func(root *cobra.Command) error { return root.GenZshCompletion(a.out) },
	}
	names := slices.Sorted(maps.Keys(shells))
	return &cobra.Command{
		Use:   "completion " + strings.Join(names, "|"),
		Short: "Print the completion script for a shell",
		Long: `Print the completion script for a shell. It completes commands, flags, and the
IDs of layers as the daemon knows them. For bash the package bash-completion is
needed.`,
		Example: `  # For this bash only
  source <(dmthin completion bash)

  # For good
  dmthin completion bash > /etc/bash_completion.d/dmthin
  dmthin completion zsh > /usr/local/share/zsh/site-functions/_dmthin
  dmthin completion fish > /etc/fish/completions/dmthin.fish`,
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && shells[args[0]] != nil {
				return nil
			}
			return fmt.Errorf("needs one of %s", strings.Join(names, ", "))
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root()) },
	}
}

// unquoteUsages takes the marks off the names of flags' values, which help and
// man pages read and a shell would show.
func unquoteUsages(cmd *cobra.Command) {
	unquote := func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) }
	cmd.LocalFlags().VisitAll(unquote)
	for _, sub := range cmd.Commands() {
		unquoteUsages(sub)
	}
}

// must is for mistakes in the command tree itself, which show at every start.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
