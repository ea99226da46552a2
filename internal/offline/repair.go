package offline

import (
	"context"
	"errors"
	"fmt"
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

	lost thintools.Superblock // what thin_repair must be told
}

// Diagnose looks at the metadata and changes nothing. blockSize, in bytes, is
// needed only where the superblock is lost.
func (p *Pool) Diagnose(ctx context.Context, blockSize int64) (d Diagnosis, err error) {
	if d.Metadata, err = p.locate(); err != nil {
		return d, err
	}
	if d.Damage, err = thintools.Check(ctx, d.Metadata); err != nil {
		return d, err
	}
	if err := p.readSuperblock(&d, blockSize); err != nil {
		return d, err
	}
	switch {
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

func (p *Pool) rebuildSteps(d Diagnosis) []string {
	steps := []string{"copy the metadata into a new folder backup-TIME in " + p.dir}
	if isDevice(d.Metadata) {
		return append(steps,
			"thin_repair -i COPY -o "+d.Metadata+"; if that fails, the copy goes back",
			"thin_check the result and compare it with the records")
	}
	return append(steps,
		"thin_repair -i "+d.Metadata+" -o "+d.Metadata+".repaired",
		"thin_check the result and compare it with the records",
		"put the repaired file in the place of the damaged one, which goes to the backup")
}

// readSuperblock finds out what a lost superblock said from what else there is.
func (p *Pool) readSuperblock(d *Diagnosis, blockSize int64) error {
	metadata, err := thinmeta.Open(d.Metadata)
	if err == nil {
		d.NeedsCheck = metadata.Superblock().NeedsCheck
		return metadata.Close()
	}
	if !errors.Is(err, thinmeta.ErrMagic) && !errors.Is(err, thinmeta.ErrChecksum) && !errors.Is(err, thinmeta.ErrCorrupt) {
		return err
	}
	d.Damage = append(d.Damage, err.Error())
	data, err := os.Stat(p.dataFile())
	if err != nil {
		return fmt.Errorf("the superblock is lost, and with it the size of the pool, which is asked of the data file: %w", err)
	}
	intent, ok, err := p.records.Intent()
	if err != nil || !ok {
		return errors.Join(errors.New("the superblock is lost, and with it the transaction ID, which the records don't know either: restore them first"), err)
	}
	d.lost = thintools.Superblock{
		TransactionID: intent.OpenTransactionID, BlockSize: blockSize, DataBlocks: uint64(data.Size() / blockSize),
	}
	return nil
}

// Repaired is what a Repair did.
type Repaired struct {
	Backup   string          // folder with the metadata as it was
	Findings []check.Finding // between records and the metadata as it is now
}

// Repair does what a Diagnosis says. Whatever happens, the metadata as it was is
// in the backup. report is told each step.
func (p *Pool) Repair(ctx context.Context, d Diagnosis, now time.Time, report func(step string)) (done Repaired, err error) {
	if d.Action == Nothing {
		return done, nil
	}
	done.Backup = filepath.Join(p.dir, "backup-"+now.UTC().Format("20060102T150405Z"))
	report("copying the metadata to " + done.Backup)
	saved := filepath.Join(done.Backup, "metadata")
	if err := os.Mkdir(done.Backup, 0o700); err != nil {
		return done, fmt.Errorf("back up the metadata: %w", err)
	}
	if err := copySparse(ctx, d.Metadata, saved); err != nil {
		return done, fmt.Errorf("back up the metadata: %w", err)
	}
	switch {
	case d.Action == ClearFlag:
		err = clearFlag(ctx, d.Metadata, report)
	case isDevice(d.Metadata):
		err = p.rebuildDevice(ctx, d, saved, report)
	default:
		err = p.rebuildFile(ctx, d, report)
	}
	if err != nil {
		return done, err
	}
	after, err := p.compare(ctx, d.Metadata)
	done.Findings = after.Findings
	return done, err
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

// rebuildDevice has to write to the device itself. saved is a copy of it.
func (p *Pool) rebuildDevice(ctx context.Context, d Diagnosis, saved string, report func(string)) error {
	report("rebuilding: thin_repair -i " + saved + " -o " + d.Metadata)
	if err := rebuild(ctx, d, saved, d.Metadata); err != nil {
		report("putting the metadata back as it was")
		return errors.Join(err, copySparse(context.WithoutCancel(ctx), saved, d.Metadata))
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
