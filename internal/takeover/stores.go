package takeover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// stores is what Docker's own files name.
type stores struct {
	layers     map[string]string // layer ID: who names it
	written    map[string]bool   // IDs of the layers that containers write to
	torn       []string          // what names none: docker doesn't sync these files
	images     int
	containers []string // IDs of those of the driver, sorted
}

// mountID is the file that names the layer a container writes to; the one below,
// of init-id, is written before the container first runs.
const mountID = "mount-id"

// readStores reads the layer store of a driver, and which containers are its.
func readStores(root string, d Driver) (stores, error) {
	s := stores{layers: map[string]string{}, written: map[string]bool{}}
	db := filepath.Join(d.images(root), "layerdb")
	for _, kind := range []struct{ folder, file, owner string }{
		{"sha256", "cache-id", "image layer sha256:"},
		{"mounts", mountID, "container "},
		{"mounts", "init-id", "container "},
	} {
		if err := s.readLayers(filepath.Join(db, kind.folder), kind.file, kind.owner); err != nil {
			return s, fmt.Errorf("read docker's layer store: %w", err)
		}
	}
	images, err := names(filepath.Join(d.images(root), "imagedb", "content", "sha256"))
	if err != nil {
		return s, fmt.Errorf("read docker's image store: %w", err)
	}
	s.images = len(images)
	s.containers, err = readContainers(root, d)
	return s, err
}

func (s *stores) readLayers(folder, file, owner string) error {
	entries, err := names(folder)
	if err != nil {
		return err
	}
	for _, name := range entries {
		id, err := os.ReadFile(filepath.Join(folder, name, file))
		if missing(err) {
			continue // being made when docker was stopped
		}
		if err != nil {
			return err
		}
		layer := strings.TrimSpace(string(id))
		if layer == "" {
			s.torn = append(s.torn, owner+short(name))
			continue
		}
		s.layers[layer] = owner + short(name)
		s.written[layer] = file == mountID
	}
	return nil
}

func short(id string) string { return id[:min(len(id), 12)] }

// containerFile is a container's settings. dockerd ignores containers of
// another driver than it runs on.
func containerFile(root, id string) string {
	return filepath.Join(root, "containers", id, "config.v2.json")
}

// readContainers returns the containers whose files say that they are of the
// driver.
func readContainers(root string, d Driver) ([]string, error) {
	all, err := names(filepath.Join(root, "containers"))
	if err != nil {
		return nil, fmt.Errorf("read docker's containers: %w", err)
	}
	var ids []string
	for _, id := range all {
		text, err := os.ReadFile(containerFile(root, id))
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read docker's containers: %w", err)
		}
		var c struct{ Driver Driver }
		// dockerd itself skips one that it can't read.
		if json.Unmarshal(text, &c) == nil && c.Driver == d {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// missing also holds for a file in the place of the folder: dockerd passes over
// those.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// names lists a folder that may be missing.
func names(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list, err
}
