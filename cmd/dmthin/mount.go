package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/filesystem"
)

// mountedLayer answers `mount` and `unmount`.
type mountedLayer struct {
	Layer  string `json:"layer"`
	Device string `json:"device"` // empty from unmount
	Dir    string `json:"dir"`
	Root   string `json:"root"` // the layer's own content; empty from unmount
	Write  bool   `json:"write"`
}

func newMountCommand(a *app) *cobra.Command {
	var write bool
	cmd := &cobra.Command{
		Use:   "mount LAYER DIR",
		Short: "Mount a layer on a directory",
		Long: `Mount a layer's filesystem on DIR, which must exist, for reading only or with
--write for writing. The layer's content is the folder rootfs in it. The layer
may be in use; the daemon keeps its device until dmthin unmount.

An image's layer that is written to is no longer what its digest says.`,
		Example:           `  dmthin mount aaaa6d7c8b9a /mnt`,
		Args:              exactly("LAYER", "DIR"),
		ValidArgsFunction: a.completeLayerThenDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			layer, dir, err := a.layerAndDir(cmd.Context(), args)
			if err != nil {
				return err
			}
			held, err := a.client().Hold(cmd.Context(), layer.ID, admin.HoldRequest{Write: write})
			if err != nil {
				return err
			}
			if err := a.mount(cmd.Context(), held.Device, dir, held.Filesystem, write); err != nil {
				return errors.Join(err, a.client().Release(context.WithoutCancel(cmd.Context()), layer.ID))
			}
			m := mountedLayer{Layer: layer.ID, Device: held.Device, Dir: dir, Root: filepath.Join(dir, held.Root), Write: write}
			return a.print(m, func(c *columns) {
				c.field("Mounted", printable(layer.ID))
				c.field("Content", m.Root)
			})
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "for writing too")
	return cmd
}

func newUnmountCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unmount LAYER DIR",
		Short: "Undo a mount of a layer",
		Long: `Unmount what dmthin mount has mounted on DIR, and let the daemon give up the
layer's device. Any other mount on DIR is left alone.`,
		Example:           `  dmthin unmount aaaa6d7c8b9a /mnt`,
		Args:              exactly("LAYER", "DIR"),
		ValidArgsFunction: a.completeLayerThenDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			layer, dir, err := a.layerAndDir(cmd.Context(), args)
			if err != nil {
				return err
			}
			if err := a.mounter.UnmountView(cmd.Context(), layer.DeviceName, dir); err != nil {
				return err
			}
			if err := a.client().Release(cmd.Context(), layer.ID); err != nil {
				return err
			}
			return a.print(mountedLayer{Layer: layer.ID, Dir: dir}, func(c *columns) { c.field("Unmounted", printable(layer.ID)) })
		},
	}
}

// layerAndDir reads the arguments of both commands.
func (a *app) layerAndDir(ctx context.Context, args []string) (admin.Layer, string, error) {
	layer, err := findLayer(ctx, a.client(), args[0])
	if err != nil {
		return admin.Layer{}, "", err
	}
	dir, err := filepath.Abs(args[1])
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved // as the kernel lists it
	}
	return layer, dir, err
}

func (a *app) mount(ctx context.Context, device, dir, fs string, write bool) error {
	t, err := filesystem.ParseType(fs)
	if err != nil {
		return err
	}
	return a.mounter.MountView(ctx, device, dir, t, write)
}

// mounter is what mount does to the host.
type mounter interface {
	MountView(ctx context.Context, device, dir string, t filesystem.Type, write bool) error
	UnmountView(ctx context.Context, deviceName, dir string) error
}

// kernel mounts for real.
type kernel struct{}

func (kernel) MountView(ctx context.Context, device, dir string, t filesystem.Type, write bool) error {
	return filesystem.MountView(ctx, device, dir, t, write)
}

func (kernel) UnmountView(ctx context.Context, deviceName, dir string) error {
	return filesystem.UnmountView(ctx, deviceName, dir)
}

func (a *app) completeLayerThenDir(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return a.completeLayers(cmd, args, prefix)
}
