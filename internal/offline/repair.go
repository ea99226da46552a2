package offline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thintools"
)

// Action is what a pool's metadata needs.
type Action string

// The actions.
const (
	Nothing   Action = "nothing"
	ClearFlag Action = "clear flag" // whole, but the kernel wants it checked
	Rebuild   Action = "rebuild"    // damaged: thin_repair saves what can be saved
)

// Diagnosis says what is wrong with a pool's metadata, and what Repair will do.
type Diagnosis struct {
	Metadata   string // device or file
	Damage     []string
	NeedsCheck bool
	Action     Action
	Steps      []string // what Repair does, one line each

	lost  thintools.Superblock // what thin_repair must be told
	saved string               // the copy from which an earlier repair was cut short
}

// IfLost is what the superblock says of a pool and nobody else knows, for where it
// is lost.
type IfLost struct {
	BlockSize  int64  // bytes
	DataDevice string // device or file; empty takes loop-lvm's
}

// Diagnose looks at the metadata and changes nothing.
func (p *Pool) Diagnose(ctx context.Context, lost IfLost) (d Diagnosis, err error) {
	if d.Metadata, err = p.locate(); err != nil {
		return d, err
	}
	if isDevice(d.Metadata) {
		if d.saved, err = p.interrupted(); err != nil {
			return d, err
		}
	}
	if d.Damage, err = thintools.Check(ctx, d.source()); err != nil {
		return d, err
	}
	if err := p.readSuperblock(&d, lost); err != nil {
		return d, err
	}
	switch {
	case d.saved != "":
		d.Damage = append([]string{"an earlier repair was cut short; " + d.saved + " is the metadata as it was"}, d.Damage...)
		d.Action, d.Steps = Rebuild, rebuildDeviceSteps(d, d.saved)
	case len(d.Damage) > 0:
		d.Action, d.Steps = Rebuild, p.rebuildSteps(d)
	case d.NeedsCheck:
		d.Action, d.Steps = ClearFlag, []string{
			"copy the metadata into a new folder backup-TIME in " + p.dir,
			"thin_check --clear-needs-check-flag " + d.Metadata,
		}
	default:
		d.Action = Nothing
	}
	return d, nil
}

// source is the metadata to be repaired.
func (d Diagnosis) source() string { return cmp.Or(d.saved, d.Metadata) }

func (p *Pool) rebuildSteps(d Diagnosis) []string {
	steps := []string{"copy the metadata into a new folder backup-TIME in " + p.dir}
	if isDevice(d.Metadata) {
		return append(steps, rebuildDeviceSteps(d, "COPY")...)
	}
	return append(steps,
		"thin_repair -i "+d.Metadata+" -o "+d.Metadata+".repaired",
		"thin_check the result and compare it with the records",
		"put the repaired file in the place of the damaged one, which goes to the backup")
}

func rebuildDeviceSteps(d Diagnosis, saved string) []string {
	return []string{
		"thin_repair -i " + saved + " -o " + saved + ".repaired",
		"thin_check the result and overwrite " + d.Metadata + " with it",
		"compare it with the records",
	}
}

// readSuperblock finds out what a lost superblock said from what else there is.
func (p *Pool) readSuperblock(d *Diagnosis, lost IfLost) error {
	metadata, err := thinmeta.Open(d.source())
	if err == nil {
		d.NeedsCheck = metadata.Superblock().NeedsCheck
		return metadata.Close()
	}
	if !errors.Is(err, thinmeta.ErrMagic) && !errors.Is(err, thinmeta.ErrChecksum) && !errors.Is(err, thinmeta.ErrCorrupt) {
		return err
	}
	d.Damage = append(d.Damage, err.Error())
	size, err := sizeOf(cmp.Or(lost.DataDevice, p.dataFile()))
	if err != nil {
		return fmt.Errorf("the superblock is lost, and with it the size of the pool, which is that of its data: %w; give its device with --data-device", err)
	}
	intent, ok, err := p.records.Intent()
	if err != nil || !ok {
		return errors.Join(errors.New("the superblock is lost, and with it the transaction ID, which the records don't know either: restore them first"), err)
	}
	d.lost = thintools.Superblock{
		TransactionID: intent.OpenTransactionID, BlockSize: lost.BlockSize, DataBlocks: uint64(size / lost.BlockSize),
	}
	return nil
}

// sizeOf returns the size of a file or block device in bytes.
func sizeOf(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	return size, errors.Join(err, f.Close())
}

// Repaired is what a Repair did.
type Repaired struct {
	Backup   string          // folder with the metadata as it was
	Findings []check.Finding // between the metadata as it is now, the records, and the backup
}

// Repair does what a Diagnosis says. Whatever happens, the metadata as it was is
// in the backup. report is told each step.
func (p *Pool) Repair(ctx context.Context, d Diagnosis, now time.Time, report func(step string)) (done Repaired, err error) {
	if d.Action == Nothing {
		return done, nil
	}
	if d.saved == "" {
		if d.saved, err = p.backUp(ctx, d, now, report); err != nil {
			return done, fmt.Errorf("back up the metadata: %w", err)
		}
	}
	done.Backup = filepath.Dir(d.saved)
	switch {
	case d.Action == ClearFlag:
		err = clearFlag(ctx, d.Metadata, report)
	case isDevice(d.Metadata):
		err = rebuildDevice(ctx, d, report)
	default:
		err = p.rebuildFile(ctx, d, report)
	}
	if err != nil {
		return done, err
	}
	after, err := p.compare(ctx, d.Metadata)
	done.Findings = after.Findings
	if err != nil || d.Action != Rebuild {
		return done, err
	}
	older, err := p.older(ctx, d)
	done.Findings = append(done.Findings, older...)
	check.Sort(done.Findings)
	return done, err
}

// backUp returns the copy it made. Half of one is of no use, and takes the space that
// the records need.
func (p *Pool) backUp(ctx context.Context, d Diagnosis, now time.Time, report func(string)) (saved string, err error) {
	dir := filepath.Join(p.dir, backupPrefix+now.UTC().Format("20060102T150405Z"))
	report("copying the metadata to " + dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	saved = filepath.Join(dir, "metadata")
	if err := copySparse(ctx, d.Metadata, saved); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return saved, errors.Join(syncDir(dir), syncDir(p.dir))
}

func clearFlag(ctx context.Context, path string, report func(string)) error {
	report("clearing the flag: thin_check --clear-needs-check-flag " + path)
	damage, err := thintools.ClearNeedsCheck(ctx, path)
	if err == nil && len(damage) > 0 {
		err = fmt.Errorf("clear the flag on %s: thin_check found damage now: %s", path, strings.Join(damage, "; "))
	}
	return err
}

// rebuildFile works on a second file, and puts it in place only when it is
// whole.
func (p *Pool) rebuildFile(ctx context.Context, d Diagnosis, report func(string)) (err error) {
	fresh := d.Metadata + ".repaired"
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(fresh))
		}
	}()
	if err := makeLike(d.Metadata, fresh); err != nil {
		return err
	}
	report("rebuilding: thin_repair -i " + d.Metadata + " -o " + fresh)
	if err := rebuild(ctx, d, d.Metadata, fresh); err != nil {
		return err
	}
	report("putting the repaired metadata in place")
	if err := os.Rename(fresh, d.Metadata); err != nil {
		return fmt.Errorf("put the repaired metadata in place: %w", err)
	}
	return syncDir(filepath.Dir(d.Metadata))
}

// rebuildDevice overwrites the device only once there is something whole to
// overwrite it with.
func rebuildDevice(ctx context.Context, d Diagnosis, report func(string)) (err error) {
	fresh := d.saved + ".repaired"
	defer func() { err = errors.Join(err, os.Remove(fresh)) }()
	if err := makeLike(d.saved, fresh); err != nil {
		return err
	}
	report("rebuilding: thin_repair -i " + d.saved + " -o " + fresh)
	if err := rebuild(ctx, d, d.saved, fresh); err != nil {
		return err
	}
	if err := overwrite(context.WithoutCancel(ctx), d, fresh, report); err != nil {
		return fmt.Errorf("put the repaired metadata in place: %w; repair again once the disk works", err)
	}
	return nil
}

// rebuild repairs and sees that the result is whole, and on disk.
func rebuild(ctx context.Context, d Diagnosis, from, to string) error {
	if err := thintools.Repair(ctx, from, to, d.lost); err != nil {
		return err
	}
	damage, err := thintools.Check(ctx, to)
	if err != nil {
		return err
	}
	if len(damage) > 0 {
		return fmt.Errorf("thin_repair could not save the metadata of %s; the copy is for an expert: %s", d.Metadata, strings.Join(damage, "; "))
	}
	return syncFile(to)
}
