package takeover

import (
	"context"
	"errors"

	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// survey is what was found of one driver's data.
type survey struct {
	from     Driver
	records  records
	stores   stores
	settings settings
	pool     pool
	metadata thinmeta.Superblock
	devices  map[uint32]check.Device
	base     filesystem.Superblock

	intent   *state.Intent // to write, so that records and pool agree
	findings []Finding
	notes    []string
}

// records are the driver's, and where they are.
type records struct {
	check.Records

	dir string
	set state.DeviceSet
}

// look surveys the data of a driver. It changes nothing, but for a pool of
// LVM's that a reboot left inactive: that is activated, and checked thereby.
func (t *Takeover) look(ctx context.Context, from Driver) (*survey, error) {
	if err := t.refuseActive(from); err != nil {
		return nil, err
	}
	s := &survey{from: from}
	var err error
	if s.settings, err = t.translate(from); err != nil {
		return nil, err
	}
	if s.pool, err = t.findPool(ctx, from, s.settings.options); err != nil {
		return nil, err
	}
	if s.records, err = readRecords(from.state(t.root)); err != nil {
		return nil, err
	}
	if s.stores, err = readStores(t.root, from); err != nil {
		return nil, err
	}
	if err := s.examinePool(ctx, t.host.Thorough); err != nil {
		return nil, err
	}
	s.examineStores()
	t.examineHost(s)
	sortFindings(s.findings)
	s.notes = append(s.notes, s.settings.notes...)
	return s, nil
}

func readRecords(dir string) (r records, err error) {
	view := state.Look(dir)
	r.dir = dir + "/metadata"
	if r.Records.Records, err = view.Scan(); err != nil {
		return r, err
	}
	var damage *state.DamagedError
	if r.Intent, r.HasIntent, r.IntentErr = view.Intent(); r.IntentErr != nil && !errors.As(r.IntentErr, &damage) {
		return r, r.IntentErr
	}
	if r.set, _, err = view.DeviceSet(); errors.As(err, &damage) {
		err = nil // all in it can be found out again
	}
	return r, err
}

// examinePool compares the records with the pool's metadata, and looks at the
// filesystem of each device.
func (s *survey) examinePool(ctx context.Context, thorough bool) (err error) {
	metadata, err := thinmeta.Open(s.pool.metadata)
	if err != nil {
		s.fatal("pool", "its metadata can't be read: %v", err)
		return nil
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	s.metadata = metadata.Superblock()
	devices, err := metadata.Devices(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.fatal("pool", "its metadata is damaged: %v", err)
		return nil
	}
	s.devices = map[uint32]check.Device{}
	for _, d := range devices {
		s.devices[d.ID] = check.Device{TransactionID: d.TransactionID, MappedBytes: int64(d.MappedBlocks) * s.metadata.BlockSize}
	}
	s.translateFindings(check.Compare(s.records.Records, check.Pool{
		TransactionID: s.metadata.TransactionID, NeedsCheck: s.metadata.NeedsCheck, Devices: s.devices,
	}))
	if err := s.checkMetadata(ctx, thorough); err != nil {
		return err
	}
	return s.examineFilesystems(ctx, metadata)
}

// adjustIntent makes the records agree with the pool's transaction.
func (s *survey) adjustIntent() {
	s.intent = &state.Intent{OpenTransactionID: s.metadata.TransactionID, Name: s.records.Intent.Name, DeviceID: s.records.Intent.DeviceID}
}

// examineStores looks for layers that Docker names and no record knows.
func (s *survey) examineStores() {
	for id, owner := range s.stores.layers {
		_, exists := s.records.Layers[id]
		_, damaged := s.records.Damaged[id]
		if !exists && !damaged {
			s.find(id, "there is no record of it, but docker's %s is on it: restore %s/%s, or remove what needs it", owner, s.records.dir, id)
		}
	}
	for _, owner := range s.stores.torn {
		s.note("docker's %s names no layer: a power cut came before that was on disk, and docker passes over it, on either driver", owner)
	}
	var unnamed int
	for id := range s.records.Layers {
		if _, named := s.stores.layers[id]; !named && id != state.BaseName {
			unnamed++
		}
	}
	if unnamed > 0 {
		s.note("%d layers belong to no image or container: the builder's cache, or what a crash left; with dmthin at work, dmthin gc tells which", unnamed)
	}
}
