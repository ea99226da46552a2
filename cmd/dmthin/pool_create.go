package main

import (
	"errors"
	"fmt"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// sizeFlag is a flag with a size in binary units.
type sizeFlag int64

func (s *sizeFlag) String() string {
	if *s == 0 {
		return ""
	}
	return units.BytesSize(float64(*s))
}

func (s *sizeFlag) Type() string { return "size" }

func (s *sizeFlag) Set(value string) error {
	n, err := units.RAMInBytes(value)
	if err == nil && n <= 0 {
		err = errors.New("not more than nothing")
	}
	*s = sizeFlag(n)
	return err
}

type createFlags struct {
	changeFlags
	chunkSize, size       sizeFlag
	data, metadata        int
	threshold, percentage int
}

func newPoolCreateCommand(a *app, pool *poolFlags) *cobra.Command {
	f := &createFlags{chunkSize: lvmpool.DefaultChunkSize}
	cmd := &cobra.Command{
		Use:   "create --device DISK...",
		Short: "Make a thin pool on one or more disks",
		Long: `Make a thin pool on one or more disks: physical volumes, a volume group, the
pool's data and metadata, and a profile with which LVM and dmthind extend the
pool while the volume group has space. It prints the daemon.json to use.

The plan is shown first. A disk with a filesystem, a partition table or the
like is refused unless --wipe says that it may go; one that is mounted or in
use is refused even then. All disks are looked at before the first is written.
A run that was interrupted is started over by the next one.

Sizes are binary: 1G is 1024 MiB.`,
		Example: `  # Two disks, and what would be done
  dmthin pool create --device /dev/sdb --device /dev/sdc --dry-run

  # One disk, without questions
  dmthin pool create --device /dev/sdb --yes

  # 100 GiB of a large disk in small chunks; the rest is to grow into
  dmthin pool create --device /dev/sdb --size 100G --chunk-size 64K --yes`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.poolMaker().PlanCreate(cmd.Context(), f.request(pool))
			if err != nil {
				return err
			}
			return a.carryOut(cmd, p, f.changeFlags, "dm.thinpooldev="+p.PoolDevice())
		},
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags().Changed("data-percent")); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			return nil
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.Var(&f.chunkSize, "chunk-size", "the pool's block `SIZE`, a multiple of 64K; fixed for the pool's life")
	flags.IntVar(&f.data, "data-percent", lvmpool.DefaultDataPercent, "part of the volume group for data, in `PERCENT`")
	flags.IntVar(&f.metadata, "meta-percent", lvmpool.DefaultMetadataPercent, "part of the volume group for metadata, in `PERCENT`")
	flags.Var(&f.size, "size", "`SIZE` of the data, in place of --data-percent")
	flags.IntVar(&f.threshold, "extend-threshold", lvmpool.DefaultThreshold, "extend when this `PERCENT` is in use; 100 for never")
	flags.IntVar(&f.percentage, "extend-percent", lvmpool.DefaultExtension, "extend by this `PERCENT` of the pool")
	return cmd
}

func (f *createFlags) check(dataGiven bool) error {
	const least = 64 << 10
	switch {
	case len(f.devices) == 0:
		return errors.New("no disk is given: --device")
	case dataGiven && f.size != 0:
		return errors.New("--data-percent and --size both say how large the data is")
	case f.data < 1 || f.data > 99 || f.metadata < 1 || f.metadata > 99:
		return errors.New("--data-percent and --meta-percent are from 1 to 99")
	case f.data+f.metadata > 100 && f.size == 0:
		return fmt.Errorf("--data-percent and --meta-percent are %d together, more than 100", f.data+f.metadata)
	case f.threshold < 1 || f.threshold > 100 || f.percentage < 1 || f.percentage > 100:
		return errors.New("--extend-threshold and --extend-percent are from 1 to 100")
	case f.chunkSize < least || f.chunkSize > 1<<30 || f.chunkSize%least != 0:
		return errors.New("--chunk-size is a multiple of 64K up to 1G")
	}
	return nil
}

func (f *createFlags) request(pool *poolFlags) lvmpool.CreateRequest {
	return lvmpool.CreateRequest{
		Devices: f.devices, VolumeGroup: pool.vg, Pool: pool.pool,
		ChunkSize: int64(f.chunkSize), DataPercent: f.data, MetadataPercent: f.metadata, Size: int64(f.size),
		Policy: lvm.Policy{Threshold: f.threshold, Percent: f.percentage},
		Wipe:   f.wipe,
	}
}
