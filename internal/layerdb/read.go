package layerdb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoLayerDB is returned where Docker has no layer store of the driver: it is
// another Docker's data-root, or none.
var ErrNoLayerDB = errors.New("docker keeps no layers of this driver here")

// driverName is how the driver is called where the user gave no other name. A
// managed plugin's has a tag.
const driverName = "dmthin"

// Names is what Docker's files name.
type Names struct {
	Dirs   []string // the driver's layer stores that were read
	ids    map[string]bool
	opaque [][]byte // whole databases
}

// Read reads the layer stores below a Docker data-root, and the builder's
// databases. driver is the storage driver's name as Docker knows it; empty
// takes "dmthin" with any tag. Layers of other drivers count as well: it does
// no harm to know too many names. All that can't be read is an error, since what
// it names would look unnamed.
func Read(root, driver string) (Names, error) {
	n := Names{ids: map[string]bool{}}
	image := filepath.Join(root, "image")
	err := filepath.WalkDir(image, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case d.Name() == "imagedb", d.Name() == "distribution":
			return fs.SkipDir
		case d.Name() != "layerdb":
			return nil
		}
		if isDriver(image, path, driver) {
			n.Dirs = append(n.Dirs, path)
		}
		if err := n.readStore(path); err != nil {
			return err
		}
		return fs.SkipDir
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Names{}, fmt.Errorf("read docker's layer store: %w", err)
	}
	if len(n.Dirs) == 0 {
		return Names{}, fmt.Errorf("%w (%s)", ErrNoLayerDB, image)
	}
	return n, n.readBuilder(filepath.Join(root, "buildkit"))
}

func isDriver(image, store, driver string) bool {
	name, err := filepath.Rel(image, filepath.Dir(store))
	if err != nil {
		return false
	}
	if driver != "" {
		return name == driver
	}
	plain, _, _ := strings.Cut(filepath.Base(name), ":")
	return plain == driverName
}

// readStore takes the names out of sha256/*/cache-id (image layers), mounts/*/
// (containers, each with an init layer) and tmp/*/cache-id (image layers being
// registered). A folder that dockerd removes meanwhile names nothing.
func (n *Names) readStore(dir string) error {
	for _, pattern := range []string{"sha256/*/cache-id", "tmp/*/cache-id", "mounts/*/mount-id", "mounts/*/init-id"} {
		folder := filepath.Join(dir, filepath.Dir(filepath.Dir(pattern)))
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			id, err := os.ReadFile(filepath.Join(folder, e.Name(), filepath.Base(pattern)))
			switch {
			case err == nil:
				n.ids[strings.TrimSpace(string(id))] = true
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
	}
	return nil
}

// readBuilder takes in the databases whole: dockerd holds their locks, and all
// that matters is whether an ID occurs. An ID that was deleted may still occur
// in a free page; that errs on the safe side.
//
// The builder makes layers through the driver and only puts those into the
// layer store that become part of an image.
func (n *Names) readBuilder(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return err
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the builder's database: %w", err)
		}
		n.opaque = append(n.opaque, content)
	}
	return nil
}

// Has reports whether Docker names a layer.
func (n Names) Has(id string) bool {
	if n.ids[id] {
		return true
	}
	for _, content := range n.opaque {
		if bytes.Contains(content, []byte(id)) {
			return true
		}
	}
	return false
}
