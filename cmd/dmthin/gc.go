package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/layerdb"
)

// defaultMinAge is long enough for dockerd to write down a layer it has made.
const defaultMinAge = 10 * time.Minute

// garbageFinder finds what nobody needs.
type garbageFinder struct {
	app        *app
	dockerRoot string
	driver     string
	minAge     time.Duration
	all        bool
}

func newCollectCommand(a *app) *cobra.Command {
	g := &garbageFinder{app: a}
	var remove, yes bool
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Find, and with --delete remove, what nobody needs",
		Long: `Find layers that no file of Docker's names, and devices in the pool that no
record of the daemon names (leaked devices). Both take up space for good.
Without --delete nothing is changed.

Docker's names are read from its layer store, DATA-ROOT/image/dmthin/layerdb,
and from the databases of the builder. Where they can't be read, nothing is
collected. A layer that is mounted or being filled, that was made or changed
within --min-age, that a layer which stays was made from, or that an operator
made (dmthin snap) is never collected.`,
		Example: `  # What would go?
  dmthin gc

  # Remove it
  dmthin gc --delete --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			if g.minAge < 0 {
				return errors.New("--min-age is not below 0")
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return g.run(cmd, remove, yes) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&remove, "delete", false, "remove what was found")
	flags.BoolVarP(&yes, "yes", "y", false, "don't ask")
	flags.StringVar(&g.dockerRoot, "docker-root", "", "Docker's data-root `DIR` (default: the parent of the state directory)")
	flags.StringVar(&g.driver, "driver", "", "the storage driver's `NAME` in Docker (default: dmthin, with any tag)")
	flags.DurationVar(&g.minAge, "min-age", defaultMinAge, "spare layers younger than `AGE`")
	flags.BoolVar(&g.all, "all", false, "collect although Docker names none of the layers")
	must(cmd.MarkFlagDirname("docker-root"))
	return cmd
}

func (g *garbageFinder) run(cmd *cobra.Command, remove, yes bool) error {
	ctx := cmd.Context()
	layers, err := g.unnamed(ctx)
	if err != nil {
		return err
	}
	found, err := g.collect(ctx, layers, false)
	if err != nil {
		return err
	}
	if count := going(found); !remove || count == 0 {
		return g.app.print(found, func(c *columns) { garbageTable(c, found) })
	} else if !yes {
		garbageTable(newColumns(g.app.errOut), found)
		if err := confirm(cmd, fmt.Sprintf("This deletes %d layers and devices. Go on?", count), yes); err != nil {
			return err
		}
	}
	// dockerd may have written a name down since.
	again, err := g.unnamed(ctx)
	if err != nil {
		return err
	}
	layers = slices.DeleteFunc(layers, func(id string) bool { return !slices.Contains(again, id) })
	done, err := g.collect(ctx, layers, true)
	if err != nil {
		return err
	}
	return g.app.print(done, func(c *columns) { garbageTable(c, done) })
}

func (g *garbageFinder) collect(ctx context.Context, layers []string, remove bool) (admin.CollectReport, error) {
	report, done := g.app.progress()
	defer done()
	return g.app.client().Collect(ctx, admin.CollectRequest{
		Layers: layers, Leaked: true, MinAgeSeconds: int64(g.minAge / time.Second), Delete: remove,
	}, report)
}

// unnamed returns the layers that Docker does not name. The layers are listed
// before the names are read, so that one made in between is in no danger.
func (g *garbageFinder) unnamed(ctx context.Context) ([]string, error) {
	list, err := g.app.client().Layers(ctx)
	if err != nil {
		return nil, err
	}
	root := cmp.Or(g.dockerRoot, filepath.Dir(filepath.Clean(g.app.stateDir())))
	names, err := layerdb.Read(root, g.driver)
	if errors.Is(err, layerdb.ErrNoLayerDB) {
		return nil, fmt.Errorf("%w: %w; name Docker's data-root with --docker-root, or the driver with --driver", admin.ErrRefused, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	layers := make([]check.Layer, len(list))
	for i, l := range list {
		layers[i] = check.Layer{ID: l.ID, Parent: l.Parent}
	}
	unnamed := check.Unnamed(layers, names.Has)
	if len(list) > 0 && len(unnamed) == len(list) && !g.all {
		return nil, fmt.Errorf("%w: Docker's files in %s name none of the %d layers, so they may be another Docker's; if all images and containers are gone, give --all",
			admin.ErrRefused, root, len(list))
	}
	return unnamed, nil
}

func going(r admin.CollectReport) (n int) {
	for _, g := range r.Garbage {
		if g.Kept == "" {
			n++
		}
	}
	return n
}

func garbageTable(c *columns, r admin.CollectReport) {
	if len(r.Garbage) == 0 {
		c.row("Nothing to collect")
		return
	}
	c.row("LAYER", "DEVICE ID", "MAPPED", "RESULT")
	for _, g := range r.Garbage {
		name := "(leaked device)"
		if !g.Leaked {
			name = shortID(g.Layer)
		}
		result := "would be deleted"
		switch {
		case g.Kept != "":
			result = "stays: " + printable(g.Kept)
		case g.Deleted:
			result = "deleted"
		}
		c.row(name, strconv.FormatUint(uint64(g.DeviceID), 10), mapped(g.Mapped), result)
	}
	_ = c.w.Flush() // print flushes too; the plan before a question is not printed by it
}
