package main

import (
	"context"
	"os"

	"github.com/docker/docker/daemon/graphdriver"
	"github.com/docker/docker/daemon/graphdriver/devmapper"
	"github.com/docker/docker/daemon/graphdriver/overlay2"
	"github.com/docker/docker/pkg/idtools"
)

type initFunc func(home string, options []string, ids idtools.IdentityMapping) (graphdriver.Driver, error)

// newBuiltin is Docker's devicemapper driver with its defaults.
func newBuiltin(name, home string, options ...string) *subject {
	return inProcess(name, home, devmapper.Init, options)
}

// newOverlay is overlay2 with its defaults.
func newOverlay(home string) *subject {
	return inProcess(overlay, home, overlay2.Init, nil)
}

func inProcess(name, home string, init initFunc, options []string) *subject {
	var driver graphdriver.Driver
	return &subject{
		name:   name,
		layers: map[string]bool{},
		start: func(context.Context) (graphdriver.Driver, error) {
			if err := os.MkdirAll(home, 0o700); err != nil {
				return nil, err
			}
			var err error
			driver, err = init(home, options, idtools.IdentityMapping{})
			return driver, err
		},
		stop: func(context.Context) error { return driver.Cleanup() },
	}
}
