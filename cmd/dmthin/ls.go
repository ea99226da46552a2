package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
)

func newListCommand(a *app) *cobra.Command {
	var quiet, noTrunc bool
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the layers",
		Long: `List all layers, image layers and containers alike, sorted by ID.

SIZE is how large the layer's filesystem is, MAPPED how much of the pool's data
space its device refers to: blocks shared with other layers count in each.
EXCLUSIVE is what no other layer refers to, which is what removing the layer
would give back. "-" stands for what the pool doesn't tell.

STATE is the layer's own (ready, preparing, applying), "busy" where other work
holds the layer and its columns are not known, or "unusable": inspect says why.`,
		Example: `  dmthin ls

  # Whole IDs only
  dmthin ls --quiet

  # Mounted layers
  dmthin ls --format json | jq -r '.layers[] | select(.mounted).id'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			layers, err := a.client().Layers(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(admin.LayerList{Layers: layers}, func(c *columns) {
				if quiet {
					idTable(c, layers)
					return
				}
				layerTable(c, layers, noTrunc)
			})
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print whole IDs only (table format)")
	cmd.Flags().BoolVar(&noTrunc, "no-trunc", false, "don't shorten IDs (table format)")
	return cmd
}

func idTable(c *columns, layers []admin.Layer) {
	for _, l := range layers {
		c.row(printable(l.ID))
	}
}

func layerTable(c *columns, layers []admin.Layer, noTrunc bool) {
	name := shortID
	if noTrunc {
		name = printable
	}
	c.row("LAYER", "PARENT", "STATE", "SIZE", "MAPPED", "EXCLUSIVE", "REFS", "MOUNTED", "DEVICE ID")
	for _, l := range layers {
		parent := "-"
		if l.Parent != "" {
			parent = name(l.Parent)
		}
		c.row(name(l.ID), parent, condition(l), size(l.Size), mapped(l.Mapped), mapped(l.Exclusive),
			strconv.Itoa(l.References), yesNo(l.Mounted), fmt.Sprint(l.DeviceID))
	}
}

// condition is the layer's state, or what is more urgent to know.
func condition(l admin.Layer) string {
	switch {
	case l.Problem != "":
		return "unusable"
	case l.Busy:
		return "busy"
	}
	return string(l.State)
}

func mapped(bytes int64) string {
	if bytes == admin.MappedUnknown {
		return "-"
	}
	return size(bytes)
}
