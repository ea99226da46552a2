package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
)

// completionTimeout keeps a dead daemon from freezing the shell's prompt.
const completionTimeout = time.Second

func newInspectCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect LAYER",
		Short: "Show one layer",
		Long: `Show one layer: its device, filesystem, size, mount and users.

LAYER is an ID or a beginning that no other layer shares. For a container use
the ID that names its mount, which docker inspect shows in the device name.`,
		Example: `  dmthin inspect 4f5e6d7c8b9a

  # Where a container's layer is mounted
  dmthin inspect 4f5e6d7c8b9a --format json | jq -r .mount_point`,
		Args:              exactlyOne("LAYER"),
		ValidArgsFunction: a.completeLayers,
		RunE: func(cmd *cobra.Command, args []string) error {
			layer, err := findLayer(cmd.Context(), a.client(), args[0])
			if err != nil {
				return err
			}
			return a.print(layer, func(c *columns) { inspectTable(c, layer) })
		},
	}
}

func inspectTable(c *columns, l admin.Layer) {
	parent := "none, on the base device"
	if l.Parent != "" {
		parent = printable(l.Parent)
	}
	c.field("ID", printable(l.ID))
	c.field("Parent", parent)
	c.field("State", string(l.State))
	c.field("Problem", l.Problem)
	c.field("Busy", busy(l.Busy))
	c.field("Device ID", strconv.FormatUint(uint64(l.DeviceID), 10))
	c.field("Device name", printable(l.DeviceName))
	c.field("Size", size(l.Size))
	c.field("Mapped", space(l.Mapped))
	c.field("Exclusive", space(l.Exclusive))
	c.field("Filesystem", l.Filesystem)
	c.field("Mounted", yesNo(l.Mounted))
	c.field("Mount point", printable(l.MountPoint))
	c.field("References", strconv.Itoa(l.References))
}

func space(bytes int64) string {
	if bytes == admin.MappedUnknown {
		return "unknown"
	}
	return size(bytes)
}

func busy(b bool) string {
	if !b {
		return ""
	}
	return "yes, its use is not known until other work on it ends"
}

// completeMoreLayers is for commands that take several.
func (a *app) completeMoreLayers(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeLayers(cmd, nil, prefix)
}

func (a *app) completeLayers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	layers, err := a.client().Layers(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, l := range layers {
		// Cobra reads one candidate a line, and drops what doesn't match the prefix.
		if printable(l.ID) == l.ID {
			ids = append(ids, l.ID)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
