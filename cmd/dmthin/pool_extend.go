package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/lvmpool"
)

func newPoolExtendCommand(a *app, pool *poolFlags) *cobra.Command {
	f := &changeFlags{}
	var size sizeFlag
	cmd := &cobra.Command{
		Use:   "extend [--device DISK]... [--size SIZE]",
		Short: "Add disks to a pool's volume group",
		Long: `Add disks to the volume group of a pool, which may be in use meanwhile. The
pool itself grows as its profile says: at once if it is full, otherwise when
use passes the threshold. --size makes it larger now, without waiting for that.

Disks are refused as by create.`,
		Example: `  # A third disk
  dmthin pool extend --device /dev/sdd --yes

  # 50 GiB more from what the volume group has free
  dmthin pool extend --size 50G --yes`,
		Args: noArguments,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if len(f.devices) == 0 && size == 0 {
				return &usageError{cmd.CommandPath(), errors.New("neither --device nor --size is given")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.poolMaker().PlanExtend(cmd.Context(), lvmpool.ExtendRequest{
				Devices: f.devices, VolumeGroup: pool.vg, Pool: pool.pool, Size: int64(size), Wipe: f.wipe,
			})
			if err != nil {
				return err
			}
			return a.carryOut(cmd, p, *f)
		},
	}
	f.register(cmd)
	cmd.Flags().Var(&size, "size", "`SIZE` by which the pool's data grows at once")
	return cmd
}
