package plugin

import (
	"context"
	"fmt"
	"path/filepath"
)

// The methods that are not like the others.
const (
	methodActivate  = "Activate"
	methodDiff      = "Diff"
	methodApplyDiff = "ApplyDiff"
)

// handler does one call. It returns what to send as JSON, or nil if it has
// sent a stream of its own.
type handler func(ctx context.Context, s *Server, c *call) (any, error)

type route struct {
	method string
	handle handler
}

// routes maps each path of the protocol to its handler.
var routes = map[string]route{
	"/Plugin.Activate":             {methodActivate, activate},
	"/GraphDriver.Init":            {"Init", initialise},
	"/GraphDriver.Capabilities":    {"Capabilities", onDriver(getCapabilities)},
	"/GraphDriver.Create":          {"Create", onLayer(create)},
	"/GraphDriver.CreateReadWrite": {"CreateReadWrite", onLayer(createReadWrite)},
	"/GraphDriver.Remove":          {"Remove", onLayer(remove)},
	"/GraphDriver.Get":             {"Get", onLayer(get)},
	"/GraphDriver.Put":             {"Put", onLayer(put)},
	"/GraphDriver.Exists":          {"Exists", onLayer(exists)},
	"/GraphDriver.Status":          {"Status", onDriver(status)},
	"/GraphDriver.GetMetadata":     {"GetMetadata", onLayer(getMetadata)},
	"/GraphDriver.Cleanup":         {"Cleanup", onDriver(cleanup)},
	"/GraphDriver.Diff":            {methodDiff, diff},
	"/GraphDriver.Changes":         {"Changes", onLayer(changes)},
	"/GraphDriver.ApplyDiff":       {methodApplyDiff, applyDiff},
	"/GraphDriver.DiffSize":        {"DiffSize", onLayer(diffSize)},
}

// onLayer makes a handler for a call about one layer.
func onLayer(do func(context.Context, Driver, layerBody) (any, error)) handler {
	return func(ctx context.Context, s *Server, c *call) (any, error) {
		b, err := c.layerBody()
		if err != nil {
			return nil, err
		}
		return do(ctx, s.driver, b)
	}
}

// onDriver makes a handler for a call without arguments, whose body is {}.
func onDriver(do func(context.Context, Driver) (any, error)) handler {
	return func(ctx context.Context, s *Server, c *call) (any, error) {
		if err := decodeEmpty(c.object); err != nil {
			return nil, err
		}
		return do(ctx, s.driver)
	}
}

// activate is the one call that comes without a body. dockerd asks it of
// plugins that it does not manage itself.
func activate(context.Context, *Server, *call) (any, error) {
	return activateReply{Implements: []string{"GraphDriver"}}, nil
}

func initialise(ctx context.Context, s *Server, c *call) (any, error) {
	req, err := decodeInit(c.object)
	if err != nil {
		return nil, err
	}
	return emptyReply{}, s.driver.Init(ctx, req)
}

func getCapabilities(context.Context, Driver) (any, error) {
	return capabilitiesReply{}, nil
}

func create(ctx context.Context, d Driver, b layerBody) (any, error) {
	return emptyReply{}, d.Create(ctx, b.createRequest(false))
}

func createReadWrite(ctx context.Context, d Driver, b layerBody) (any, error) {
	return emptyReply{}, d.Create(ctx, b.createRequest(true))
}

func remove(ctx context.Context, d Driver, b layerBody) (any, error) {
	return emptyReply{}, d.Remove(ctx, b.ID)
}

func get(ctx context.Context, d Driver, b layerBody) (any, error) {
	dir, err := d.Get(ctx, b.ID, b.MountLabel)
	if err == nil && !filepath.IsAbs(dir) {
		// dockerd would put it behind the plugin's root and use what it finds.
		err = fmt.Errorf("layer %s was mounted on %q, which is not an absolute path", b.ID, dir)
	}
	return dirReply{Dir: dir}, err
}

func put(ctx context.Context, d Driver, b layerBody) (any, error) {
	return emptyReply{}, d.Put(ctx, b.ID)
}

func exists(ctx context.Context, d Driver, b layerBody) (any, error) {
	found, err := d.Exists(ctx, b.ID)
	return existsReply{Exists: found}, err
}

func status(ctx context.Context, d Driver) (any, error) {
	rows, err := d.Status(ctx)
	if rows == nil {
		rows = [][2]string{}
	}
	return statusReply{Status: rows}, err
}

func getMetadata(ctx context.Context, d Driver, b layerBody) (any, error) {
	data, err := d.Metadata(ctx, b.ID)
	if data == nil {
		data = map[string]string{}
	}
	return metadataReply{Metadata: data}, err
}

func cleanup(ctx context.Context, d Driver) (any, error) {
	return emptyReply{}, d.Cleanup(ctx)
}

func changes(ctx context.Context, d Driver, b layerBody) (any, error) {
	list, err := d.Changes(ctx, b.ID, b.Parent)
	if list == nil {
		list = []Change{}
	}
	return changesReply{Changes: list}, err
}

func diffSize(ctx context.Context, d Driver, b layerBody) (any, error) {
	size, err := d.DiffSize(ctx, b.ID, b.Parent)
	return sizeReply{Size: size}, err
}
