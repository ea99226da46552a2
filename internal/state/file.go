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
	data, err := encode(name, v)
	if err != nil {
		return err
	}
	return writeFile(dir, name, data)
}

func encode(name string, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode record %s: %w", name, err)
	}
	return seal(data), nil
}

func writeFile(dir, name string, data []byte) error {
	if err := replaceFile(dir, name, data, syncRecord); err != nil {
		return err
	}
	return syncName(dir, name)
}

// replaceFile is writeFile without the sync of the directory, for callers with
// more to change there. sync is done before the file gets its name.
func replaceFile(dir, name string, data []byte, sync func(*os.File) error) error {
	if err := hit("write", name); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	temp, err := writeTemp(dir, data, sync)
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

// What is done to a record's file once it is written.
func leaveUnsynced(*os.File) error { return nil }

func syncRecord(f *os.File) error {
	if failpoint.Planted("unsynced-record") {
		return nil
	}
	return f.Sync()
}

// writeTemp leaves data in a new temporary file of dir.
func writeTemp(dir string, data []byte, sync func(*os.File) error) (path string, err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncPath(path string, sync func(*os.File) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync record: %w", err)
	}
	if err := errors.Join(sync(f), f.Close()); err != nil {
		return fmt.Errorf("sync record: %w", err)
	}
	return nil
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
	return syncPath(dir, (*os.File).Sync)
}

// readJSON reports fs.ErrNotExist for a missing file and *DamagedError for one
// that can't be understood.
func readJSON(dir, name string, v any) error {
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	if len(data) == 0 {
		return &DamagedError{Path: path, Reason: errors.New("the file is empty")}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &DamagedError{Path: path, Reason: err}
	}
	if err := checkSeal(data); err != nil {
		return &DamagedError{Path: path, Reason: err}
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
