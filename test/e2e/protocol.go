//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/test/driverclient"
)

// driverClient looks into layers, and keeps one busy.
type driverClient struct {
	*driverclient.Client
	// hostPath turns a path that the driver returns into one of this machine.
	hostPath func(string) string
}

func newDriverClient(socket string, hostPath func(string) string) *driverClient {
	return &driverClient{driverclient.New(socket, 0), hostPath}
}

type layerRequest struct {
	ID     string
	Parent string `json:",omitempty"`
}

func (c *driverClient) create(id, parent string) error {
	return c.Call("CreateReadWrite", layerRequest{ID: id, Parent: parent}, nil)
}

func (c *driverClient) remove(id string) error { return c.Call("Remove", layerRequest{ID: id}, nil) }

func (c *driverClient) put(id string) error { return c.Call("Put", layerRequest{ID: id}, nil) }

// get mounts a layer and returns its folder on this machine.
func (c *driverClient) get(id string) (string, error) {
	var answer struct{ Dir string }
	if err := c.Call("Get", layerRequest{ID: id}, &answer); err != nil {
		return "", err
	}
	return c.hostPath(answer.Dir), nil
}

// applyDiff fills a layer from a tar.
func (c *driverClient) applyDiff(id, parent string, tar io.Reader) error {
	return c.Send(fmt.Sprintf("ApplyDiff?id=%s&parent=%s", id, parent), tar, nil)
}

// look mounts a layer for as long as do looks into its folder.
func (c *driverClient) look(tb testing.TB, id string, do func(dir string)) {
	tb.Helper()
	dir, err := c.get(id)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := c.put(id); err != nil {
			tb.Error(err)
		}
	}()
	do(dir)
}

// readLayer reads the tree of a layer.
func (c *driverClient) readLayer(tb testing.TB, id string) (content tree) {
	tb.Helper()
	c.look(tb, id, func(dir string) { content = readTree(tb, dir) })
	return content
}

// layerIDs names all layers that dockerd knows: those of images, and those of
// containers.
func layerIDs(tb testing.TB, d *dockerd) []string {
	tb.Helper()
	var ids []string
	for _, pattern := range []string{"sha256/*/cache-id", "mounts/*/mount-id", "mounts/*/init-id"} {
		files, err := filepath.Glob(filepath.Join(d.Root, "image", d.Driver, "layerdb", pattern))
		if err != nil {
			tb.Fatal(err)
		}
		for _, file := range files {
			id, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			ids = append(ids, string(id))
		}
	}
	return ids
}

// readLayers reads the trees of all layers that dockerd knows.
func (c *driverClient) readLayers(tb testing.TB, d *dockerd) map[string]tree {
	tb.Helper()
	layers := map[string]tree{}
	for _, id := range layerIDs(tb, d) {
		layers[id] = c.readLayer(tb, id)
	}
	return layers
}

// requireSameLayers fails where layers are missing or differ.
func requireSameLayers(tb testing.TB, want, got map[string]tree) {
	tb.Helper()
	for id, before := range want {
		after, ok := got[id]
		if !ok {
			tb.Errorf("layer %s is gone", id)
			continue
		}
		requireSameTree(tb, "layer "+id, before, after)
	}
}
