package layerdb

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// write makes a file below root with its folders.
func write(t *testing.T, root, path, content string) {
	t.Helper()
	full := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAllOfDockersFilesNameLayers(t *testing.T) {
	root := t.TempDir()
	write(t, root, "image/dmthin/layerdb/sha256/aa/cache-id", "image")
	write(t, root, "image/dmthin/layerdb/sha256/aa/diff", "sha256:xx")
	write(t, root, "image/dmthin/layerdb/tmp/write-set-1/cache-id", "coming\n")
	write(t, root, "image/dmthin/layerdb/mounts/c1/mount-id", "container")
	write(t, root, "image/dmthin/layerdb/mounts/c1/init-id", "container-init")
	write(t, root, "image/dmthin/layerdb/mounts/c2/mount-id", "no-init-yet")
	write(t, root, "image/overlay2/layerdb/sha256/bb/cache-id", "of-another-driver")
	write(t, root, "image/dmthin/imagedb/content/sha256/layerdb", "no folder")
	write(t, root, "buildkit/snapshots.db", "\x00\x01k3jx0q9zr5m2parent\x00")
	names, err := Read(root, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"image", "coming", "container", "container-init", "no-init-yet", "of-another-driver", "k3jx0q9zr5m2"} {
		if !names.Has(id) {
			t.Errorf("%s is not named", id)
		}
	}
	for _, id := range []string{"sha256:xx", "orphan", "aa", "c1"} {
		if names.Has(id) {
			t.Errorf("%s is named", id)
		}
	}
}

func TestTheDriversStoreIsFoundUnderItsName(t *testing.T) {
	for path, driver := range map[string]string{
		"image/dmthin/layerdb":                           "",
		"image/dmthin:latest/layerdb":                    "",
		"image/registry.example:5000/x/dmthin:1/layerdb": "",
		"image/storage/layerdb":                          "storage",
	} {
		root := t.TempDir()
		write(t, root, path+"/sha256/aa/cache-id", "image")
		names, err := Read(root, driver)
		if err != nil || len(names.Dirs) != 1 || !names.Has("image") {
			t.Errorf("%s: %v, %v", path, names.Dirs, err)
		}
	}
}

func TestWhereDockerHasNoSuchDriverNothingIsUnnamed(t *testing.T) {
	root := t.TempDir()
	if _, err := Read(root, ""); !errors.Is(err, ErrNoLayerDB) {
		t.Errorf("Read of an empty folder = %v", err)
	}
	write(t, root, "image/overlay2/layerdb/sha256/aa/cache-id", "x")
	for _, driver := range []string{"", "dmthin"} {
		if _, err := Read(root, driver); !errors.Is(err, ErrNoLayerDB) {
			t.Errorf("Read of another driver's Docker = %v", err)
		}
	}
}

func TestWhatCanNotBeReadIsAnError(t *testing.T) {
	for _, path := range []string{"image/dmthin/layerdb/sha256/aa/cache-id/x", "buildkit/snapshots.db/x"} {
		root := t.TempDir()
		write(t, root, "image/dmthin/layerdb/sha256/bb/cache-id", "fine")
		write(t, root, path, "a folder where a file should be")
		if _, err := Read(root, ""); err == nil {
			t.Errorf("Read with an odd %s = nil", path)
		}
	}
}
