package main

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/offline"
)

// repair answers `repair`.
type repair struct {
	Metadata   string          `json:"metadata"` // device or file
	Damage     []string        `json:"damage"`   // what thin_check said
	NeedsCheck bool            `json:"needs_check"`
	Action     string          `json:"action"` // "nothing", "clear flag" or "rebuild"
	Steps      []string        `json:"steps"`  // what is done, or would be
	Done       bool            `json:"done"`
	Backup     string          `json:"backup"`   // folder with the metadata as it was
	Findings   []admin.Finding `json:"findings"` // between records and pool afterwards
}

func newRepairCommand(a *app) *cobra.Command {
	var dryRun, yes bool
	var metadataDevice string
	var dataDevice string
	blockSize := sizeFlag(64 << 10)
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Repair the pool's metadata",
		Long: `Repair the metadata of a pool that needs a check, is read-only after a failed
write, or is damaged. The daemon must not run and the pool must be inactive:
stop containers, docker and dmthind.

thin_check says what is wrong. Then, after a copy into a new folder backup-TIME
of the state directory: where all is well and only the kernel's needs_check
flag is set, the flag is cleared; where there is damage, thin_repair writes what
can be saved into a second file, which takes the first one's place only once
thin_check finds it whole. Last the result is compared with the records: lost
layers are named, and the exit code is 6.

This is for loop-lvm, and with --metadata-device for pools on devices of their
own. Pools of LVM's are repaired by lvconvert --repair VG/POOL.`,
		Example: `  # What is wrong, and what would be done?
  dmthin repair --dry-run

  dmthin repair --yes`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pool, err := a.requireNoDaemon(metadataDevice)
			if err != nil {
				return err
			}
			defer func() { _ = pool.Close() }() // lets go of a lock
			d, err := pool.Diagnose(cmd.Context(), offline.IfLost{BlockSize: int64(blockSize), DataDevice: dataDevice})
			if err != nil {
				return err
			}
			r := diagnosed(d)
			if dryRun || d.Action == offline.Nothing {
				return a.print(r, func(c *columns) { repairTable(c, r) })
			}
			return a.carryOutRepair(cmd, pool, d, r, yes)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&dryRun, "dry-run", false, "say what is wrong and what would be done")
	flags.BoolVarP(&yes, "yes", "y", false, "don't ask")
	flags.Var(&blockSize, "block-size", "the pool's block `SIZE`, needed where the superblock is lost")
	flags.StringVar(&dataDevice, "data-device", "", "the pool's data `DEVICE`, needed where the superblock is lost and the pool is not on loop files")
	a.metadataFlag(cmd, &metadataDevice)
	return cmd
}

func (a *app) carryOutRepair(cmd *cobra.Command, pool *offline.Pool, d offline.Diagnosis, r repair, yes bool) error {
	if !yes {
		c := newColumns(a.errOut)
		repairTable(c, r)
		if err := c.w.Flush(); err != nil {
			return err
		}
	}
	if err := confirm(cmd, "Go on?", yes); err != nil {
		return err
	}
	done, err := pool.Repair(cmd.Context(), d, time.Now(), a.step)
	if err != nil {
		return err
	}
	r.Done, r.Backup, r.Findings = true, done.Backup, findings(done.Findings)
	if err := a.print(r, func(c *columns) { repairTable(c, r) }); err != nil {
		return err
	}
	if slices.ContainsFunc(r.Findings, func(f admin.Finding) bool { return f.Severity == admin.SeverityError }) {
		return errFound
	}
	return nil // what a daemon that starts does by itself is a warning
}

func diagnosed(d offline.Diagnosis) repair {
	return repair{
		Metadata: d.Metadata, Damage: append([]string{}, d.Damage...), NeedsCheck: d.NeedsCheck,
		Action: string(d.Action), Steps: append([]string{}, d.Steps...), Findings: []admin.Finding{},
	}
}

func repairTable(c *columns, r repair) {
	c.field("Metadata", printable(r.Metadata))
	c.list("Damage", r.Damage)
	c.field("Needs a check", yesNo(r.NeedsCheck))
	if r.Action == string(offline.Nothing) {
		c.field("To do", "nothing, the metadata is whole")
	}
	if !r.Done {
		c.list("To do", r.Steps)
		return
	}
	c.field("Result", "repaired; start the daemon")
	c.field("Backup", printable(r.Backup))
	findingTable(c, r.Findings)
}
