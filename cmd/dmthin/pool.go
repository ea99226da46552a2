package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// poolMaker is what the pool commands do to LVM.
type poolMaker interface {
	PlanCreate(context.Context, lvmpool.CreateRequest) (lvmpool.Plan, error)
	PlanExtend(context.Context, lvmpool.ExtendRequest) (lvmpool.Plan, error)
	Inspect(ctx context.Context, vg, pool string) (lvmpool.Report, error)
}

// lvmPools makes them for real. dir takes LVM's files where the host has no
// /etc/lvm.
type lvmPools struct{ dir string }

func (l lvmPools) commands() *lvm.LVM { return lvm.New(lvm.Config{Dir: l.dir}) }

func (l lvmPools) PlanCreate(ctx context.Context, r lvmpool.CreateRequest) (lvmpool.Plan, error) {
	return lvmpool.PlanCreate(ctx, l.commands(), r)
}

func (l lvmPools) PlanExtend(ctx context.Context, r lvmpool.ExtendRequest) (lvmpool.Plan, error) {
	return lvmpool.PlanExtend(ctx, l.commands(), r)
}

func (l lvmPools) Inspect(ctx context.Context, vg, pool string) (lvmpool.Report, error) {
	return lvmpool.Inspect(ctx, l.commands(), vg, pool)
}

func (a *app) poolMaker() poolMaker {
	if a.pools != nil {
		return a.pools
	}
	state := cmp.Or(a.state, a.getenv("DMTHIN_STATE"), defaultState)
	return lvmPools{filepath.Join(state, "lvm")}
}

// poolFlags are those of all pool commands.
type poolFlags struct{ vg, pool string }

func newPoolCommand(a *app) *cobra.Command {
	flags := &poolFlags{}
	cmd := &cobra.Command{
		Use:   "pool",
		Short: "Make, extend and look at LVM thin pools for direct-lvm",
		Long: `Make, extend and look at LVM thin pools for direct-lvm.

These commands work on LVM and need no daemon; a running one takes up what
changes. They need root, and the packages lvm2 and thin-provisioning-tools.
Every change is shown first, as the commands that would do the same by hand.`,
		Example: `  # A pool on two empty disks: look at the plan, then make it
  dmthin pool create --device /dev/sdb --device /dev/sdc --dry-run
  dmthin pool create --device /dev/sdb --device /dev/sdc --yes

  # How full is it, and is there room to grow?
  dmthin pool status`,
		Args: cobra.NoArgs, // what is not a command of its
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&flags.vg, "vg", "docker", "volume group `NAME`")
	cmd.PersistentFlags().StringVar(&flags.pool, "pool", "thinpool", "thin pool's `NAME` in the volume group")
	cmd.AddCommand(newPoolCreateCommand(a, flags), newPoolExtendCommand(a, flags), newPoolStatusCommand(a, flags))
	return cmd
}

// changeFlags are those of the pool commands that change something.
type changeFlags struct {
	devices           []string
	wipe, dryRun, yes bool
}

func (f *changeFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.devices, "device", nil, "`DISK` to use, whole; give it again for more")
	flags.BoolVar(&f.wipe, "wipe", false, "use disks that are not empty: what is on them is lost")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the plan and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "don't ask")
	must(cmd.MarkFlagFilename("device"))
}

// carryOut shows a plan and, unless it is a dry run, does it.
func (a *app) carryOut(cmd *cobra.Command, p lvmpool.Plan, f changeFlags, options ...string) error {
	result := poolResult{Plan: withLists(p), StorageOptions: append([]string{}, options...)}
	if f.dryRun {
		return a.print(result, func(c *columns) { planTable(c, p) })
	}
	if !f.yes {
		planTable(newColumns(a.errOut), p)
	}
	if err := confirm(cmd, question(p), f.yes); err != nil {
		return err
	}
	err := p.Apply(cmd.Context(), func(n int, s lvmpool.Step) {
		fmt.Fprintf(a.errOut, "[%d/%d] %s\n", n, len(p.Steps), s.Shell)
	})
	if err != nil {
		return fmt.Errorf("%w; run the same command again when the cause is gone", err)
	}
	result.Done = true
	return a.print(result, func(c *columns) { result.table(c) })
}

func question(p lvmpool.Plan) string {
	if lost := p.Destroys(); len(lost) > 0 {
		return "This destroys " + strings.Join(lost, "; ") + ". Go on?"
	}
	return "Go on?"
}

// poolResult is what a plan comes to.
type poolResult struct {
	Done bool         `json:"done"` // false for a dry run
	Plan lvmpool.Plan `json:"plan"`
	// StorageOptions are for daemon.json; none where the pool was there before.
	StorageOptions []string `json:"storage_opts"`
}

// withLists has JSON's [] where a list is empty, and not null.
func withLists(p lvmpool.Plan) lvmpool.Plan {
	p.Disks = append([]lvmpool.Candidate{}, p.Disks...)
	for i, d := range p.Disks {
		p.Disks[i].Destroys = append([]string{}, d.Destroys...)
	}
	return p
}

func (r poolResult) table(c *columns) {
	c.row(fmt.Sprintf("Thin pool %s is ready: %s of data, %s of metadata, %s left to grow into.", lvm.FullName(r.Plan.VolumeGroup, r.Plan.Pool),
		size(r.Plan.DataSize), size(r.Plan.MetadataSize), size(r.Plan.FreeSize)))
	if len(r.StorageOptions) == 0 {
		return
	}
	c.row("")
	c.row("In /etc/docker/daemon.json:")
	c.row("")
	c.row(daemonJSON(r.StorageOptions))
}

// daemonJSON is written by hand for its looks; the options need no escapes.
func daemonJSON(options []string) string {
	return "{\n  \"experimental\": true,\n  \"storage-driver\": \"dmthin\",\n  \"storage-opts\": [\n    \"" + strings.Join(options, "\",\n    \"") + "\"\n  ]\n}"
}

func planTable(c *columns, p lvmpool.Plan) {
	for _, d := range p.Disks {
		lost := ""
		if len(d.Destroys) > 0 {
			lost = ", DESTROYS " + strings.Join(d.Destroys, ", ")
		}
		c.field("Disk", fmt.Sprintf("%s, %s%s", d.Device, size(d.Size), lost))
	}
	c.field("Pool", lvm.FullName(p.VolumeGroup, p.Pool))
	c.field("Data", size(p.DataSize))
	c.field("Metadata", size(p.MetadataSize))
	if p.SpareSize > 0 {
		c.field("Spare metadata", size(p.SpareSize))
	}
	c.field("Left to grow into", size(p.FreeSize))
	c.field("Chunk size", size(p.ChunkSize))
	c.row("Steps:")
	for i, s := range p.Steps {
		c.row(fmt.Sprintf("  %2d. # %s", i+1, s.What))
		c.row("      " + s.Shell)
	}
	_ = c.w.Flush()
}
