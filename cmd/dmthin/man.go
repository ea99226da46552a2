package main

import (
	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/manpage"
)

func newManCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages into a directory",
		Hidden: true, // for packagers
		Long: `Write one man page for each command into DIR, which must exist. Their date is
SOURCE_DATE_EPOCH where that is set, else today.`,
		Example: `  SOURCE_DATE_EPOCH=1795489200 dmthin man build/man`,
		Args:    exactlyOne("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return manpage.Write(cmd.Root(), "1", args[0], a.getenv("SOURCE_DATE_EPOCH"))
		},
	}
}
