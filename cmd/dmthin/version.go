package main

import (
	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/version"
)

// clientVersion is version.Info with the keys of admin.Version.
type clientVersion struct {
	Version   string `json:"version"`
	Commit    string `json:"git_commit"`
	GoVersion string `json:"go_version"`
}

type versions struct {
	Client clientVersion `json:"client"`
	// Daemon is null where none answers; DaemonError says why.
	Daemon      *admin.Version `json:"daemon"`
	DaemonError string         `json:"daemon_error"`
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of this tool, the daemon and device-mapper",
		Long: `Show the versions of this tool and, where one answers, of the daemon with the
kernel's device-mapper and libdevmapper. Without a daemon the exit code is 0
all the same.`,
		Example: `  dmthin version

  # For a bug report or a script
  dmthin version --format json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: clientVersion(version.Get())}
			daemon, err := a.client().Version(cmd.Context())
			switch {
			case cmd.Context().Err() != nil:
				return err
			case err != nil:
				v.DaemonError = err.Error()
			default:
				v.Daemon = &daemon
			}
			return a.print(v, func(c *columns) { versionTable(c, v) })
		},
	}
}

func versionTable(c *columns, v versions) {
	c.row("Tool")
	c.field("  Version", v.Client.Version)
	c.field("  Git commit", v.Client.Commit)
	c.field("  Go version", v.Client.GoVersion)
	c.row("Daemon")
	c.field("  Error", v.DaemonError)
	if d := v.Daemon; d != nil {
		c.field("  Version", d.Version)
		c.field("  Git commit", d.GitCommit)
		c.field("  Go version", d.GoVersion)
		c.field("  Device-mapper", d.DMDriver)
		c.field("  libdevmapper", d.DMLibrary)
	}
}
