package directlvm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// SetUpAt tells whether automatic direct-lvm made the pool of this state, and
// the path of the file that says so.
func SetUpAt(stateDir string) (path string, yes bool, err error) {
	path = filepath.Join(stateDir, setupConfigName)
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, false, nil
	}
	return path, err == nil, err
}
