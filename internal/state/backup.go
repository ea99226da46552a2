package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// setupName is where the options of an automatic direct-lvm set-up are.
const setupName = "setup-config.json"

// metadataPrefix begins the paths of a backup that are in the metadata
// directory; the others are in the state directory itself.
const metadataPrefix = "metadata/"

// ErrNotABackup is returned for files that Restore must not write.
var ErrNotABackup = errors.New("not a backup of records")

// Copy returns the content of every file that a restore needs, by path
// relative to the state directory: records, intent, device set, identity and
// set-up options. No change of the pool may be under way.
func (s *Store) Copy() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{identityName, setupName} {
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		switch {
		case err == nil:
			files[name] = content
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("copy records: %w", err)
		}
	}
	wanted := func(e fs.DirEntry) bool { return e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") }
	records, err := readAll(s, wanted, func(name string) (content []byte, err error) {
		err = s.read(func() (err error) {
			content, err = os.ReadFile(filepath.Join(s.metadata, name))
			return err
		})
		return content, err
	})
	if err != nil {
		return nil, fmt.Errorf("copy records: %w", err)
	}
	for name, content := range records {
		files[metadataPrefix+name] = content
	}
	return files, nil
}

// Restore replaces all records by the files of a Copy and returns where the old
// ones are now, in the state directory. The daemon must not run on them; the
// lock that an open Store holds sees to that. A crash leaves either the old
// records or the new ones.
func (s *Store) Restore(files map[string][]byte, now time.Time) (old string, err error) {
	fresh, err := os.MkdirTemp(s.dir, tempPrefix+"restore-")
	if err != nil {
		return "", fmt.Errorf("restore records: %w", err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // what stays is a folder that nobody reads
	for path, content := range files {
		name, ok := strings.CutPrefix(path, metadataPrefix)
		if !ok {
			continue
		}
		if err := placeFile(fresh, name, content); err != nil {
			return "", err
		}
	}
	if err := syncDir(fresh); err != nil {
		return "", err
	}
	old = filepath.Join(s.dir, "metadata.before-restore-"+now.UTC().Format("20060102T150405Z"))
	return old, s.exchange(files, fresh, old)
}

// exchange puts what names the pool in place first: with it and the old
// records a start is refused, which is what a crash in between should come to.
func (s *Store) exchange(files map[string][]byte, fresh, old string) error {
	for _, name := range []string{identityName, setupName} {
		content, ok := files[name]
		if !ok {
			continue
		}
		if err := placeFile(s.dir, name, content); err != nil {
			return err
		}
	}
	swap := func() error {
		return unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, s.metadata, unix.RENAME_EXCHANGE)
	}
	if err := swap(); err != nil {
		return fmt.Errorf("put the restored records in place: %w", err)
	}
	if err := os.Rename(fresh, old); err != nil {
		return errors.Join(fmt.Errorf("keep the records from before the restore: %w", err), swap())
	}
	return syncDir(s.dir)
}

func placeFile(dir, name string, content []byte) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsRune(name, '/') {
		return fmt.Errorf("%w: it holds a file %q", ErrNotABackup, name)
	}
	return replaceFile(dir, name, content, syncRecord)
}
