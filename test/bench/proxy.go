package main

import (
	"fmt"

	"github.com/docker/docker/daemon/graphdriver"
	"github.com/docker/docker/pkg/plugingetter"
	"github.com/docker/docker/pkg/plugins"
)

const pluginName = "dmthin"

// dial is Docker's own client of graphdriver plugins, talking to socket.
func dial(socket, root string, options []string) (graphdriver.Driver, error) {
	client, err := plugins.NewClient("unix://"+socket, nil)
	if err != nil {
		return nil, fmt.Errorf("plugin client for %s: %w", socket, err)
	}
	return graphdriver.GetDriver(pluginName, pluginStore{client}, graphdriver.Options{
		Root: root, DriverOptions: options, ExperimentalEnabled: true,
	})
}

// pluginStore holds one plugin, which is itself.
type pluginStore struct{ client *plugins.Client }

func (pluginStore) Name() string                                                 { return pluginName }
func (pluginStore) ScopedPath(path string) string                                { return path }
func (pluginStore) IsV1() bool                                                   { return true }
func (p pluginStore) Client() *plugins.Client                                    { return p.client }
func (p pluginStore) Get(string, string, int) (plugingetter.CompatPlugin, error) { return p, nil }
func (p pluginStore) GetAllByCap(string) ([]plugingetter.CompatPlugin, error)    { return nil, nil }
func (pluginStore) GetAllManagedPluginsByCap(string) []plugingetter.CompatPlugin { return nil }
func (pluginStore) Handle(string, func(string, *plugins.Client))                 {}
