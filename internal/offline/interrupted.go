package offline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// A power cut while a device is overwritten leaves neither the old metadata there
// nor the new. So a mark lies beside the copy of the old meanwhile, for the next
// repair to begin with that, and the kernel refuses the superblock.
const (
	backupPrefix   = "backup-"
	unfinishedName = "unfinished"
)

// interrupted returns the copy from which a repair was begun and not ended; empty
// if there is none.
func (p *Pool) interrupted() (saved string, err error) {
	marks, err := filepath.Glob(filepath.Join(p.dir, backupPrefix+"*", unfinishedName))
	if err != nil || len(marks) == 0 {
		return "", err
	}
	return filepath.Join(filepath.Dir(marks[0]), "metadata"), nil
}

// overwrite puts the metadata in the file fresh, which it spoils, onto the device.
func overwrite(ctx context.Context, d Diagnosis, fresh string, report func(string)) error {
	dir := filepath.Dir(d.saved)
	mark := filepath.Join(dir, unfinishedName)
	if err := os.WriteFile(mark, []byte(d.Metadata+"\n"), 0o600); err != nil {
		return err
	}
	if err := errors.Join(syncFile(mark), syncDir(dir)); err != nil {
		return err
	}
	if err := overwriteMarked(ctx, fresh, d.Metadata, report); err != nil {
		return err
	}
	if err := os.Remove(mark); err != nil {
		return err
	}
	return syncDir(dir)
}

// overwriteMarked has the checksum of the superblock be wrong until all that it leads
// to is on disk.
func overwriteMarked(ctx context.Context, fresh, device string, report func(string)) error {
	right, err := readSum(fresh)
	if err != nil {
		return err
	}
	wrong := []byte{^right[0], ^right[1], ^right[2], ^right[3]}
	if err := writeSum(device, wrong); err != nil {
		return err
	}
	if err := writeSum(fresh, wrong); err != nil {
		return err
	}
	report("overwriting " + device)
	if err := copySparse(ctx, fresh, device); err != nil {
		return err
	}
	return writeSum(device, right)
}

// readSum and writeSum are for the checksum that the superblock begins with.
func readSum(path string) (sum []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum = make([]byte, 4)
	_, err = f.ReadAt(sum, 0)
	return sum, err
}

func writeSum(path string, sum []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(sum, 0)
	return errors.Join(err, f.Sync(), f.Close())
}
