//go:build e2e

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smallFiles reads what adopt may change: all files but the pool's.
func smallFiles(t *testing.T, root, config string) map[string]string {
	t.Helper()
	files := map[string]string{}
	read := func(path string) error {
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil {
			return err
		}
		files[path] = info.Mode().String() + " " + string(text)
		return nil
	}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			files[path] = "folder"
			return nil
		case !e.Type().IsRegular() || filepath.Base(filepath.Dir(path)) == "devicemapper":
			return nil
		}
		return read(path)
	})
	if err == nil {
		err = read(config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func requireSameFiles(t *testing.T, when string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, files differ (-before +after):\n%s", when, diff)
	}
}
