package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/failpoint"
)

// tempPrefix marks files of writes that never finished. Docker skips dot files.
const tempPrefix = ".tmp-"

// writeJSON replaces dir/name so that after a power cut either the old or the
// new content is there, whole, and once it returns only the new. The directory
// is synced too: without that the rename itself may be lost.
func writeJSON(dir, name string, v any) error {
	if err := placeJSON(dir, name, v); err != nil {
		return err
	}
	return syncName(dir, name)
}

// placeJSON is writeJSON without the sync of the directory, for callers with
// more to change there.
func placeJSON(dir, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", name, err)
	}
	if err := hit("write", name); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	temp, err := writeTemp(dir, data)
	if err != nil {
		return fmt.Errorf("write record %s: %w", filepath.Join(dir, name), err)
	}
	if err := rename(temp, dir, name); err != nil {
		return errors.Join(fmt.Errorf("write record: %w", err), os.Remove(temp))
	}
	return nil
}

func rename(temp, dir, name string) error {
	if err := hit("rename", name); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, name))
}

// writeTemp leaves data, synced, in a new temporary file of dir.
func writeTemp(dir string, data []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil && !failpoint.Planted("unsynced-record") {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// removeFile deletes dir/name durably. A missing file is a success.
func removeFile(dir, name string) error {
	err := hit("remove", name)
	if err == nil {
		err = os.Remove(filepath.Join(dir, name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove record: %w", err)
	}
	return syncName(dir, name)
}

// syncName makes what happened to dir/name durable.
func syncName(dir, name string) error {
	if err := hit("sync", name); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	if failpoint.Planted("unsynced-directory") {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// readJSON reports fs.ErrNotExist for a missing file and *DamagedError for one
// that can't be understood.
func readJSON(dir, name string, v any) error {
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		reason := err
		if len(data) == 0 {
			reason = errors.New("the file is empty")
		}
		return &DamagedError{Path: path, Reason: reason}
	}
	return nil
}

// DamagedError names a record file whose content can't be trusted.
type DamagedError struct {
	Path   string
	Reason error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("record %s is damaged: %v; restore it from a backup, or remove it if its layer may be lost", e.Path, e.Reason)
}

// Unwrap gives the reason.
func (e *DamagedError) Unwrap() error { return e.Reason }
