package main

import (
	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
)

func newLogLevelCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "log-level LEVEL",
		Short: "Change how much the running daemon logs",
		Long: `Change how much the running daemon logs, until it stops. LEVEL is error,
warning, info, debug or trace. Only root may.`,
		Example: `  dmthin log-level debug`,
		Args:    exactlyOne("LEVEL"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"error", "warning", "info", "debug", "trace"}, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			level, err := a.client().SetLogLevel(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(admin.LogLevel{Level: level}, func(c *columns) { c.field("Log level", level) })
		},
	}
}
