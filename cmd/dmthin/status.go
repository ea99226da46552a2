package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
)

func newStatusCommand(a *app) *cobra.Command {
	var useExitCode bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the daemon and its thin pool",
		Long: `Show the state of the daemon and its thin pool: space, mode, transaction ID,
layers, and everything that is wrong.

Sizes count as docker's do: 1 GB is 10^9 bytes.`,
		Example: `  dmthin status

  # In a health check: 0 ready, 3 not ready, 4 no daemon
  dmthin status --exit-code

  # Bytes left in the pool
  dmthin status --format json | jq .pool.data_available`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.print(st, func(c *columns) { statusTable(c, st) }); err != nil {
				return err
			}
			if useExitCode && len(st.Warnings()) > 0 {
				return errNotReady
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&useExitCode, "exit-code", false, "exit with 3 when the daemon or its pool is not ready or warns")
	return cmd
}

func statusTable(c *columns, st admin.Status) {
	c.field("State", string(st.State))
	c.list("Warnings", st.Warnings())
	if st.Pool.Name != "" {
		poolTable(c, st.Pool)
		c.field("Layers", fmt.Sprintf("%d (%d mounted, %d devices active)", st.Layers, st.Mounted, st.Active))
		c.field("Leaked devices", leaked(st.Leaked))
	}
	c.field("State directory", st.StateDir)
	c.field("Home", st.Home)
	c.field("Started at", st.StartedAt.Format(time.RFC3339))
}

func poolTable(c *columns, p admin.PoolStatus) {
	c.field("Pool", p.Name)
	c.field("Backend", string(p.Backend))
	c.field("Pool mode", string(p.Mode))
	c.field("Data", used(p.DataUsed, p.DataTotal, p.DataAvailable))
	c.field("Metadata", used(p.MetadataUsed, p.MetadataTotal, p.MetadataAvailable))
	c.field("Minimum free data", size(p.MinFreeSpace))
	c.field("Block size", size(p.BlockSize))
	c.field("Base device size", size(p.BaseSize))
	c.field("Filesystem", p.Filesystem)
	c.field("Transaction ID", strconv.FormatUint(p.TransactionID, 10))
	c.field("Deferred removal", yesNo(p.DeferredRemoval))
	c.field("Deferred deletion", fmt.Sprintf("%s, %d waiting", yesNo(p.DeferredDeletion), p.DeferredDeletedDevices))
	c.field("Udev sync", yesNo(p.UdevSync))
	c.field("Data device", p.DataDevice)
	c.field("Data loop file", p.DataLoopFile)
	c.field("Metadata device", p.MetadataDevice)
	c.field("Metadata loop file", p.MetadataLoopFile)
	growthTable(c, p.Growth)
}

func growthTable(c *columns, g admin.Growth) {
	if g.DataLevel == "" {
		return // nothing watches, as in a daemon of an earlier release
	}
	how := "by hand"
	if g.Automatic {
		how = "automatic"
	}
	if g.Threshold > 0 {
		how += fmt.Sprintf(", from %d %% used on", g.Threshold)
	}
	c.field("Growth", how)
	c.field("Space level", fmt.Sprintf("data %s, metadata %s", g.DataLevel, g.MetadataLevel))
	if g.LastExtension != nil {
		c.field("Extensions", fmt.Sprintf("%d, the last at %s", g.Extensions, g.LastExtension.Format(time.RFC3339)))
	}
	c.field("Growth failed", printable(g.Failure))
}

// leaked is empty for no IDs, so that the line is left out.
func leaked(ids []uint32) string {
	const shown = 10
	if len(ids) == 0 {
		return ""
	}
	var list []string
	for _, id := range ids[:min(len(ids), shown)] {
		list = append(list, strconv.FormatUint(uint64(id), 10))
	}
	if len(ids) > shown {
		list = append(list, "…")
	}
	return fmt.Sprintf("%d in no record, device IDs %s", len(ids), strings.Join(list, ", "))
}
