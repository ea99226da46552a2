package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

func newPoolStatusCommand(a *app, pool *poolFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show an LVM thin pool, its disks and its room to grow",
		Long: `Show an LVM thin pool, its disks and its room to grow, as LVM sees them. It
works without a daemon. For layers and the daemon's own view see dmthin status.`,
		Example: `  dmthin pool status

  # Bytes that the volume group has left
  dmthin pool status --format json | jq .free_size`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.poolMaker().Inspect(cmd.Context(), pool.vg, pool.pool)
			if err != nil {
				return err
			}
			r.VolumesOfLVM = append([]string{}, r.VolumesOfLVM...) // [] and not null
			r.Problems = append([]string{}, r.Problems...)
			return a.print(r, func(c *columns) { poolReportTable(c, r) })
		},
	}
}

func poolReportTable(c *columns, r lvmpool.Report) {
	c.field("Pool", lvm.FullName(r.VolumeGroup, r.Pool))
	c.field("Device", r.Device)
	c.list("Problems", r.Problems)
	c.field("Active", yesNo(r.Active))
	c.field("Data", portion(r.DataSize, r.DataPercent))
	c.field("Metadata", portion(r.MetadataSize, r.MetadataPercent))
	c.field("Chunk size", size(r.ChunkSize))
	c.field("Left to grow into", size(r.FreeSize))
	c.field("Extended", extension(r))
	c.field("Profile", r.Profile)
	c.field("Monitored by dmeventd", yesNo(r.Monitored))
	c.list("Volumes of LVM's", r.VolumesOfLVM)
	for _, d := range r.Disks {
		missing := ""
		if d.Missing {
			missing = ", MISSING"
		}
		c.field("Disk", fmt.Sprintf("%s, %s, %s free, UUID %s%s", d.Device, size(d.Size), size(d.Free), d.UUID, missing))
	}
}

// portion writes "10GB, 12.5 % used"; use is -1 where LVM can't tell.
func portion(total int64, percent float64) string {
	if percent < 0 {
		return size(total)
	}
	return fmt.Sprintf("%s, %.1f %% used", size(total), percent)
}

func extension(r lvmpool.Report) string {
	if r.ExtendThreshold >= 100 {
		return "never"
	}
	return fmt.Sprintf("by %d %% when %d %% are used", r.ExtendPercent, r.ExtendThreshold)
}
