//go:build roottest && !dmtest

package blockdiff

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/filesystem"
)

// TestNamesAreListedOnlyWhereTheIndexDoesNotTell makes one change each to layers
// whose parent's names are known. images.compare checks that the changes are right.
func TestNamesAreListedOnlyWhereTheIndexDoesNotTell(t *testing.T) {
	m := newImages(t, filesystem.Ext4, 64<<20, 64<<10)
	m.use(t, 0, false, func(dir string) {
		for i := range 200 {
			path := fmt.Sprintf("%s/%d/%d/file-%d", dir, i/100, i/20, i)
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.WriteFile(path, []byte("x"), 0o644))
		}
		must(t, os.Link(dir+"/0/1/file-20", dir+"/1/6/linked"))
		index(t, dir)
		must(t, os.WriteFile(dir+"/1/9/file-199", nil, 0o644))
		must(t, os.Mkdir(dir+"/unknown", 0o755))
		must(t, os.WriteFile(dir+"/unknown/file", nil, 0o644))
	})
	for id, test := range []struct {
		name   string
		want   Method
		change func(dir string) error
	}{
		{"nothing", Blocks, func(string) error { return nil }},
		{"a file's content", Blocks, func(dir string) error { return os.WriteFile(dir+"/0/0/file-3", []byte("yy"), 0) }},
		{"a file's mode", Blocks, func(dir string) error { return os.Chmod(dir+"/1/9/file-190", 0o600) }},
		{"a folder's mode", Blocks, func(dir string) error { return os.Chmod(dir+"/1/9", 0o700) }},
		{"the top's mode", Blocks, func(dir string) error { return os.Chmod(dir, 0o700) }},
		{"a file with two names", Blocks, func(dir string) error { return os.Chmod(dir+"/0/1/file-20", 0o600) }},
		{"a third name", Blocks, func(dir string) error { return os.Link(dir+"/0/1/file-20", dir+"/1/third") }},
		{"one name less", Blocks, func(dir string) error { return os.Remove(dir + "/1/6/linked") }},
		{"a new file", Blocks, func(dir string) error { return os.WriteFile(dir+"/1/new", []byte("x"), 0o644) }},
		{"new folders", Blocks, func(dir string) error { return os.MkdirAll(dir+"/0/1/a/b/c", 0o755) }},
		{"a folder removed", Blocks, func(dir string) error { return os.RemoveAll(dir + "/0/1") }},
		{"a moved folder", Blocks, func(dir string) error { return os.Rename(dir+"/0/1", dir+"/1/moved") }},
		{"a folder replaced", Blocks, func(dir string) error {
			must(t, os.Rename(dir+"/1/9", dir+"/9"))
			return os.Rename(dir+"/0/2", dir+"/1/9")
		}},
		{"a file beside the layer's folder", Blocks, func(dir string) error { return os.WriteFile(dir+"/../beside", nil, 0o644) }},
		{"a file in a moved folder", Listing, func(dir string) error {
			must(t, os.Rename(dir+"/0", dir+"/moved"))
			return os.Chmod(dir+"/moved/2/file-40", 0o600)
		}},
		{"a file that no index knows", Listing, func(dir string) error { return os.Chmod(dir+"/unknown/file", 0o600) }},
		{"a name in a folder that no index knows", Listing, func(dir string) error {
			return os.WriteFile(dir+"/unknown/new", nil, 0o644)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := uint32(id + 1)
			m.snapshot(t, id, 0)
			m.use(t, id, false, func(dir string) { must(t, test.change(dir)) })
			if outcome, _ := m.compare(t, id, 0); outcome.Method != test.want {
				t.Errorf("the layers were compared by %v", outcome)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
