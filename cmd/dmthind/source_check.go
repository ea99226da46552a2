package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thintools"
)

func (s source) Check(ctx context.Context, req admin.CheckRequest, report admin.Progress) (admin.CheckReport, error) {
	i, leave, err := s.enter()
	if err != nil {
		return admin.CheckReport{}, err
	}
	defer leave()
	c := &checker{i: i, report: report}
	if err := i.layers.Inspect(ctx, func(in layer.Inspection) error { return c.pool(ctx, in) }); err != nil {
		return admin.CheckReport{}, err
	}
	if req.Filesystems {
		if err := c.filesystems(ctx, req.Layers); err != nil {
			return admin.CheckReport{}, err
		}
	}
	return c.result(), nil
}

// checker is one check of the running daemon's pool.
type checker struct {
	i      *instance
	report admin.Progress
	done   admin.CheckReport
	found  []check.Finding
}

func (c *checker) pool(ctx context.Context, in layer.Inspection) error {
	c.report("comparing the records with the pool")
	pool, err := c.i.poolView(ctx, in)
	if err != nil {
		return err
	}
	c.done = admin.CheckReport{
		Online: true, TransactionID: pool.TransactionID,
		Layers: len(in.Records.Layers), Devices: len(pool.Devices),
	}
	c.found = check.Compare(check.Records{
		Records: in.Records, Intent: in.Intent, HasIntent: in.HasIntent, IntentErr: in.IntentErr,
		Busy: c.busy(ctx),
	}, pool)
	if err := in.Status.Check(); err != nil && !in.Status.NeedsCheck { // Compare has said that one
		c.add(check.Error, check.NeedsCheck, "pool", err.Error())
	}
	c.report("checking the pool's metadata")
	return c.metadata(ctx, in.Metadata)
}

// metadata runs thin_check on the metadata snapshot. Without the program, or the
// snapshot, all else is checked.
func (c *checker) metadata(ctx context.Context, path string) error {
	if c.i.metadata.fixed {
		c.add(check.Warning, check.NotChecked, "pool", "its metadata was not checked: there is no room for the snapshot that is looked at")
		return nil
	}
	damage, err := thintools.CheckHeld(ctx, path)
	switch {
	case errors.Is(err, thintools.ErrMissing):
		c.add(check.Warning, check.NotChecked, "pool", fmt.Sprintf("its metadata was not checked: %v", err))
		return nil
	case err != nil:
		return err
	}
	c.done.MetadataChecked = true
	for _, line := range damage {
		c.add(check.Error, check.Metadata, "pool", "thin_check: "+line)
	}
	return nil
}

func (c *checker) filesystems(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		ids = c.i.layers.IDs()
	}
	for n, id := range ids {
		c.report(fmt.Sprintf("checking the filesystem of layer %s (%d of %d)", id, n+1, len(ids)))
		damage, err := c.i.layers.CheckFilesystem(ctx, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, layer.ErrUnknown) && len(ids) > 1: // removed meanwhile
			continue
		case err != nil:
			c.add(check.Warning, check.NotChecked, id, err.Error())
			continue
		}
		c.done.FilesystemsChecked++
		for _, line := range damage {
			c.add(check.Error, check.Filesystem, id, line)
		}
	}
	return nil
}

func (c *checker) add(s check.Severity, k check.Kind, subject, message string) {
	c.found = append(c.found, check.Finding{Severity: s, Kind: k, Subject: subject, Message: message})
}

func (c *checker) result() admin.CheckReport {
	check.Sort(c.found)
	for _, f := range c.found {
		severity := admin.SeverityError
		if f.Severity == check.Warning {
			severity = admin.SeverityWarning
		}
		c.done.Findings = append(c.done.Findings, admin.Finding{
			Severity: severity, Kind: string(f.Kind), Subject: f.Subject, Message: f.Message,
		})
	}
	return c.done
}

// busy tells a layer that is being made or filled from one whose making was
// cut short.
func (c *checker) busy(ctx context.Context) func(name string) bool {
	return func(name string) bool {
		if name == state.BaseName {
			return false
		}
		return c.i.layers.Busy(ctx, name)
	}
}

// poolView reads the metadata of an inspection.
func (i *instance) poolView(ctx context.Context, in layer.Inspection) (check.Pool, error) {
	devices, err := readDevices(ctx, i.metadata.open)
	if err != nil {
		return check.Pool{}, err
	}
	pool := check.Pool{
		TransactionID: in.Status.TransactionID, NeedsCheck: in.Status.NeedsCheck,
		Devices: make(map[uint32]check.Device, len(devices)),
	}
	for _, d := range devices {
		pool.Devices[d.ID] = check.Device{
			TransactionID: d.TransactionID,
			MappedBytes:   int64(d.MappedBlocks) * in.Status.BlockSize,
		}
	}
	return pool, nil
}
