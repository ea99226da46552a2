package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/layerdb"
)

func newSnapCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "snap NEW PARENT",
		Short: "Make a snapshot of a layer",
		Long: `Make a layer NEW that starts with the content of layer PARENT; "base" is the
empty base device. PARENT may be in use: it stands still for a moment, so that
the snapshot is whole. Docker doesn't know NEW; gc leaves it alone, and
remove removes it.`,
		Example: `  dmthin snap before-upgrade aaaa6d7c8b9a`,
		Args:    exactly("NEW", "PARENT"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeLayers(cmd, nil, prefix)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			req := admin.SnapshotRequest{ID: args[0]}
			if args[1] != "base" {
				parent, err := findLayer(cmd.Context(), a.client(), args[1])
				if err != nil {
					return err
				}
				req.Parent = parent.ID
			}
			made, err := a.client().Snapshot(cmd.Context(), req)
			if err != nil {
				return err
			}
			return a.print(made, func(c *columns) { inspectTable(c, made) })
		},
	}
}

// removed answers `remove`.
type removed struct {
	Layer   string `json:"layer"`
	Offline bool   `json:"offline"` // only marked: the next start of the daemon gives the blocks back
}

func newRemoveCommand(a *app) *cobra.Command {
	var force, yes bool
	var dockerRoot, driver string
	cmd := &cobra.Command{
		Use:   "remove LAYER",
		Short: "Remove a layer",
		Long: `Remove a layer for good: one that Docker forgot, or one made with snap.

A mounted layer is never removed. One that Docker's files name, or that other
layers were made from, goes only with --force: Docker then fails where it needs
it. To remove images and containers use docker rmi and docker rm.

Without a running daemon the layer is marked as removed; its blocks return to
the pool with the daemon's next start.`,
		Example:           `  dmthin remove k3jx0q9zr5m2vbuildkit7xyz --yes`,
		Args:              exactlyOne("LAYER"),
		ValidArgsFunction: a.completeLayers,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := remover{app: a, force: force, yes: yes, dockerRoot: dockerRoot, driver: driver}
			done, err := r.run(cmd, args[0])
			if err != nil {
				return err
			}
			return a.print(done, func(c *columns) {
				c.field("Removed", printable(done.Layer))
				if done.Offline {
					c.field("Blocks", "return to the pool with the daemon's next start")
				}
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&force, "force", false, "also if Docker names it or other layers were made from it")
	flags.BoolVarP(&yes, "yes", "y", false, "don't ask")
	flags.StringVar(&dockerRoot, "docker-root", "", "Docker's data-root `DIR` (default: the parent of the state directory)")
	flags.StringVar(&driver, "driver", "", "the storage driver's `NAME` in Docker (default: dmthin, with any tag)")
	must(cmd.MarkFlagDirname("docker-root"))
	return cmd
}

type remover struct {
	app                *app
	force, yes         bool
	dockerRoot, driver string
}

func (r remover) run(cmd *cobra.Command, name string) (removed, error) {
	layer, err := findLayer(cmd.Context(), r.app.client(), name)
	if r.app.offlineInstead(err) {
		return r.offline(cmd, name, err)
	}
	if err != nil {
		return removed{}, err
	}
	if err := r.ask(cmd, layer.ID); err != nil {
		return removed{}, err
	}
	return removed{Layer: layer.ID}, r.app.client().Remove(cmd.Context(), layer.ID, r.force)
}

// offline takes whole IDs only: there is no list to look a beginning up in.
func (r remover) offline(cmd *cobra.Command, id string, unreachable error) (removed, error) {
	pool, err := r.app.openOffline("", unreachable)
	if err != nil {
		return removed{}, err
	}
	defer func() { _ = pool.Close() }() // lets go of a lock
	if err := r.ask(cmd, id); err != nil {
		return removed{}, err
	}
	return removed{Layer: id, Offline: true}, pool.Remove(cmd.Context(), id, r.force)
}

func (r remover) ask(cmd *cobra.Command, id string) error {
	if !r.force {
		if err := r.refuseNamed(id); err != nil {
			return err
		}
	}
	return confirm(cmd, fmt.Sprintf("This removes layer %s and all it holds. Go on?", printable(id)), r.yes)
}

func (r remover) refuseNamed(id string) error {
	root := cmp.Or(r.dockerRoot, filepath.Dir(filepath.Clean(r.app.stateDir())))
	names, err := layerdb.Read(root, r.driver)
	switch {
	case errors.Is(err, layerdb.ErrNoLayerDB):
		return fmt.Errorf("%w: whether Docker needs the layer is not known: %w; name its data-root with --docker-root, or give --force", admin.ErrRefused, err)
	case err != nil:
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	case names.Has(id):
		return fmt.Errorf("%w: Docker's files name layer %s; use docker rmi, docker rm or docker builder prune, or give --force", admin.ErrRefused, printable(id))
	}
	return nil
}
