package offline

import (
	"context"
	"errors"

	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thintools"
)

// Report is the outcome of a check.
type Report struct {
	TransactionID   uint64
	Layers, Devices int
	MetadataChecked bool
	Findings        []check.Finding
}

// Check compares the records with the pool and runs thin_check on its metadata.
// It changes neither.
func (p *Pool) Check(ctx context.Context) (Report, error) {
	path, err := p.locate()
	if err != nil {
		return Report{}, err
	}
	r, err := p.compare(ctx, path)
	if err != nil {
		return r, err
	}
	damage, err := thintools.Check(ctx, path)
	if errors.Is(err, thintools.ErrMissing) {
		r.add(check.Warning, check.NotChecked, "its metadata was not checked: "+err.Error())
		err = nil
	} else if err == nil {
		r.MetadataChecked = true
	}
	for _, line := range damage {
		r.add(check.Error, check.Metadata, "thin_check: "+line)
	}
	check.Sort(r.Findings)
	return r, err
}

func (r *Report) add(s check.Severity, k check.Kind, message string) {
	r.Findings = append(r.Findings, check.Finding{Severity: s, Kind: k, Subject: "pool", Message: message})
}

// compare reports metadata that can't be read as a finding: that is what the
// check is for.
func (p *Pool) compare(ctx context.Context, path string) (Report, error) {
	records, err := p.readRecords()
	if err != nil {
		return Report{}, err
	}
	r := Report{Layers: len(records.Layers)}
	pool, err := readPool(ctx, path)
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		r.Findings = check.Damaged(records.Records)
		r.add(check.Error, check.Metadata, err.Error())
		return r, nil
	}
	r.TransactionID, r.Devices = pool.TransactionID, len(pool.Devices)
	r.Findings = check.Compare(records, pool)
	return r, nil
}

func (p *Pool) readRecords() (check.Records, error) {
	found, err := p.records.Scan()
	if err != nil {
		return check.Records{}, err
	}
	records := check.Records{Records: found}
	records.Intent, records.HasIntent, records.IntentErr = p.records.Intent()
	var damage *state.DamagedError
	if records.IntentErr != nil && !errors.As(records.IntentErr, &damage) {
		return records, records.IntentErr
	}
	return records, nil
}

func readPool(ctx context.Context, path string) (pool check.Pool, err error) {
	metadata, err := thinmeta.Open(path)
	if err != nil {
		return pool, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	super := metadata.Superblock()
	pool = check.Pool{
		TransactionID: super.TransactionID, NeedsCheck: super.NeedsCheck,
		Devices: map[uint32]check.Device{},
	}
	devices, err := metadata.Devices(ctx)
	for _, d := range devices {
		pool.Devices[d.ID] = check.Device{TransactionID: d.TransactionID, MappedBytes: int64(d.MappedBlocks) * super.BlockSize}
	}
	return pool, err
}
