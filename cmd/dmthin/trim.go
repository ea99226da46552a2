package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
)

func newTrimCommand(a *app) *cobra.Command {
	var all, pool bool
	cmd := &cobra.Command{
		Use:   "trim LAYER...|--all|--pool",
		Short: "Give back space that layers or the pool don't use",
		Long: `Give back space. Files deleted inside a container leave their blocks with its
layer until its filesystem is trimmed; the daemon does that by itself once a
week. --all trims every layer that is mounted now, LAYER one or more by ID.

--pool gives back what is free in the pool itself but still takes space in the
loop file below it, which the host gets back. It takes free space of the pool
for a moment, a part at a time, and none that dm.min_free_space keeps.`,
		Example: `  dmthin trim --all

  # One container's layer
  dmthin trim aaaa6d7c8b9a

  # Make loop-lvm's data file small again
  dmthin trim --all --pool`,
		ValidArgsFunction: a.completeMoreLayers,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && !all && !pool:
				return errors.New("needs a LAYER, --all or --pool")
			case len(args) > 0 && all:
				return errors.New("--all and a LAYER exclude each other")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := findLayers(cmd.Context(), a.client(), args)
			if err != nil {
				return err
			}
			report, done := a.progress()
			trimmed, err := a.client().Trim(cmd.Context(), admin.TrimRequest{Layers: ids, All: all, Pool: pool}, report)
			done()
			if err != nil {
				return err
			}
			if err := a.print(trimmed, func(c *columns) { trimTable(c, trimmed, pool) }); err != nil {
				return err
			}
			return trimFailure(trimmed)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every mounted layer")
	cmd.Flags().BoolVar(&pool, "pool", false, "the free space of the pool")
	return cmd
}

func trimFailure(r admin.TrimReport) error {
	failed := 0
	for _, l := range r.Layers {
		if l.Error != "" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d layers could not be trimmed", failed, len(r.Layers))
	}
	return nil
}

func trimTable(c *columns, r admin.TrimReport, pool bool) {
	if len(r.Layers) > 0 {
		c.row("LAYER", "FREE", "RESULT")
	}
	for _, l := range r.Layers {
		result := "trimmed"
		if l.Error != "" {
			result = printable(l.Error)
		}
		c.row(shortID(l.Layer), size(l.Bytes), result)
	}
	c.field("Back in the pool", size(r.Freed))
	if pool {
		c.field("Free in the pool, given back below it", size(r.PoolBytes))
	}
}
