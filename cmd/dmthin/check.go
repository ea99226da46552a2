package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/check"
)

// errFound ends `check` where it found something. That is in its output.
var errFound = errors.New("found something")

func newCheckCommand(a *app) *cobra.Command {
	var req admin.CheckRequest
	var metadataDevice string
	cmd := &cobra.Command{
		Use:   "check [LAYER...]",
		Short: "Check the records, the pool's metadata and the filesystems",
		Long: `Check the daemon's records against what the pool holds, and run thin_check on
the pool's metadata. With --filesystems also run e2fsck or xfs_repair, for
reading only, on the filesystem of every layer or of the LAYERs named. Nothing
is changed, and layers may be in use: each filesystem is checked on a snapshot
that goes away.

Without a running daemon the tool checks records and metadata itself; the pool
must be inactive then.

SEVERITY is error where something is lost, wrong or unusable, and warning where
somebody should look. Exit codes: 0 nothing found, 6 something found.`,
		Example: `  dmthin check

  # The filesystems too; takes long
  dmthin check --filesystems

  # One layer's
  dmthin check --filesystems 4f5e6d7c8b9a`,
		ValidArgsFunction: a.completeMoreLayers,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && !req.Filesystems {
				return errors.New("layers are only for --filesystems; records are checked all at once")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := a.check(cmd.Context(), req, args, metadataDevice)
			if err != nil {
				return err
			}
			if err := a.print(found, func(c *columns) { checkTable(c, found) }); err != nil {
				return err
			}
			if len(found.Findings) > 0 {
				return errFound
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&req.Filesystems, "filesystems", false, "check the layers' filesystems too")
	a.metadataFlag(cmd, &metadataDevice)
	return cmd
}

func (a *app) check(ctx context.Context, req admin.CheckRequest, names []string, metadataDevice string) (admin.CheckReport, error) {
	if metadataDevice != "" {
		return a.checkOffline(ctx, metadataDevice, nil)
	}
	found, err := a.checkOnline(ctx, req, names)
	switch {
	case !a.offlineInstead(err):
		return found, err
	case req.Filesystems:
		return found, fmt.Errorf("filesystems are checked by the daemon: %w", err)
	}
	return a.checkOffline(ctx, "", err)
}

func (a *app) checkOnline(ctx context.Context, req admin.CheckRequest, names []string) (_ admin.CheckReport, err error) {
	if req.Layers, err = findLayers(ctx, a.client(), names); err != nil {
		return admin.CheckReport{}, err
	}
	report, done := a.progress()
	defer done()
	return a.client().Check(ctx, req, report)
}

// checkOffline returns unreachable, why no daemon answers, where there is
// nothing to check without one either.
func (a *app) checkOffline(ctx context.Context, metadataDevice string, unreachable error) (admin.CheckReport, error) {
	pool, err := a.openOffline(metadataDevice, unreachable)
	if err != nil {
		return admin.CheckReport{}, err
	}
	defer func() { _ = pool.Close() }() // lets go of a lock
	r, err := pool.Check(ctx)
	return admin.CheckReport{
		TransactionID: r.TransactionID, Layers: r.Layers, Devices: r.Devices,
		MetadataChecked: r.MetadataChecked, Findings: findings(r.Findings),
	}, err
}

func findings(found []check.Finding) []admin.Finding {
	list := []admin.Finding{}
	for _, f := range found {
		severity := admin.SeverityError
		if f.Severity == check.Warning {
			severity = admin.SeverityWarning
		}
		list = append(list, admin.Finding{Severity: severity, Kind: string(f.Kind), Subject: f.Subject, Message: f.Message})
	}
	return list
}

func checkTable(c *columns, r admin.CheckReport) {
	how := "by the tool, no daemon runs"
	if r.Online {
		how = "by the daemon"
	}
	c.field("Checked", how)
	c.field("Transaction ID", strconv.FormatUint(r.TransactionID, 10))
	c.field("Records", strconv.Itoa(r.Layers))
	c.field("Devices in the pool", strconv.Itoa(r.Devices))
	c.field("Pool metadata", checkedOr(r.MetadataChecked))
	if r.FilesystemsChecked > 0 {
		c.field("Filesystems", fmt.Sprintf("%d checked", r.FilesystemsChecked))
	}
	findingTable(c, r.Findings)
}

func checkedOr(checked bool) string {
	if checked {
		return "checked"
	}
	return "not checked"
}

// findingTable puts each finding on a line of its own below its subject:
// messages are long.
func findingTable(c *columns, found []admin.Finding) {
	c.field("Found", foundCount(found))
	for _, f := range found {
		subject := f.Subject
		if subject != "pool" {
			subject = shortID(subject)
		}
		c.row("", fmt.Sprintf("%s: %s: %s", f.Severity, subject, printable(f.Message)))
	}
}

func foundCount(found []admin.Finding) string {
	errs := 0
	for _, f := range found {
		if f.Severity == admin.SeverityError {
			errs++
		}
	}
	if len(found) == 0 {
		return "nothing"
	}
	return plural(errs, "error") + ", " + plural(len(found)-errs, "warning")
}

// findLayers is findLayer for several names.
func findLayers(ctx context.Context, c *admin.Client, names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		l, err := findLayer(ctx, c, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, l.ID)
	}
	return ids, nil
}
