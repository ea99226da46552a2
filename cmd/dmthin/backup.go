package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/offline"
)

// records answers `backup` and `restore`.
type records struct {
	File          string    `json:"file"`
	PoolID        string    `json:"pool_id"`
	TransactionID uint64    `json:"transaction_id"`
	Made          time.Time `json:"made"`
	Files         int       `json:"files"`
	Restored      bool      `json:"restored"` // false: of a backup, or a dry run
	Old           string    `json:"old"`      // where restore put the records it replaced
}

func newBackupCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Save the daemon's records",
		Long: `Save the daemon's records into FILE, a tar: which layer is which device of the
pool, the pool's identity and its set-up. They are of one moment, between two
changes of the pool, also while containers run. The layers' content is not in
it: that is in the pool.

A backup fits the pool until the next layer is made or removed. It is for the
moment before something risky, and for when the host's disk is lost and the
pool's is not.`,
		Example: `  dmthin backup records.tar`,
		Args:    exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.backup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r := recordsOf(args[0], m)
			return a.print(r, func(c *columns) { recordsTable(c, r) })
		},
	}
}

// backup reads back what it wrote before the file gets its name.
func (a *app) backup(ctx context.Context, path string) (m admin.BackupManifest, err error) {
	if path, err = replaceable(path); err != nil {
		return m, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dmthin-backup-")
	if err != nil {
		return m, fmt.Errorf("make the backup's file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where it has got its name
	err = a.client().Backup(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	if m, _, err = readBackup(f.Name()); err != nil {
		return m, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return m, fmt.Errorf("name the backup: %w", err)
	}
	return m, nil
}

// replaceable follows a link, and refuses what a file must not take the place of:
// root may well name /dev/stdout.
func replaceable(path string) (string, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return path, fmt.Errorf("write the backup: %s is no regular file; name one, or one that isn't there yet", path)
	}
	return path, nil
}

func readBackup(path string) (admin.BackupManifest, map[string][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return admin.BackupManifest{}, nil, fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	m, files, err := admin.ReadBackup(f)
	if err != nil {
		err = fmt.Errorf("read the backup %s: %w", path, err)
	}
	return m, files, err
}

func recordsOf(path string, m admin.BackupManifest) records {
	return records{File: path, PoolID: m.PoolID, TransactionID: m.TransactionID, Made: m.Made, Files: len(m.Files)}
}

func recordsTable(c *columns, r records) {
	c.field("Backup", printable(r.File))
	c.field("Pool", r.PoolID)
	c.field("Transaction ID", fmt.Sprint(r.TransactionID))
	c.field("Made", r.Made.Format(time.RFC3339))
	c.field("Files", fmt.Sprint(r.Files))
	c.field("Old records", printable(r.Old))
}

func newRestoreCommand(a *app) *cobra.Command {
	var dryRun, yes bool
	var metadataDevice string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring back the daemon's records from a backup",
		Long: `Replace the daemon's records by those in FILE. The daemon must not run, and the
pool must be inactive.

A backup of another pool is refused, and one of another transaction: if layers
were made or removed since, its records name the wrong devices. The records
that are replaced are kept in the state directory.`,
		Example: `  # Would it fit?
  dmthin restore records.tar --dry-run

  dmthin restore records.tar --yes`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.restore(cmd, args[0], metadataDevice, dryRun, yes)
			if err != nil {
				return err
			}
			return a.print(r, func(c *columns) {
				recordsTable(c, r)
				if dryRun {
					c.field("Result", "it fits the pool; nothing was changed")
				} else {
					c.field("Result", "restored; start the daemon")
				}
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only see whether the backup fits the pool")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	a.metadataFlag(cmd, &metadataDevice)
	return cmd
}

func (a *app) restore(cmd *cobra.Command, path, metadataDevice string, dryRun, yes bool) (records, error) {
	m, files, err := readBackup(path)
	if err != nil {
		return records{}, err
	}
	pool, err := a.requireNoDaemon(metadataDevice)
	if err != nil {
		return records{}, err
	}
	defer func() { _ = pool.Close() }() // lets go of a lock
	b := offline.Backup{PoolID: m.PoolID, TransactionID: m.TransactionID, BaseUUID: m.BaseUUID, Files: files}
	r := recordsOf(path, m)
	if _, err := pool.Restore(cmd.Context(), b, time.Now(), true); err != nil || dryRun {
		return r, err
	}
	if err := confirm(cmd, "This replaces all records of the daemon. Go on?", yes); err != nil {
		return r, err
	}
	r.Old, err = pool.Restore(cmd.Context(), b, time.Now(), false)
	r.Restored = err == nil
	return r, err
}
