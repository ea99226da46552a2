package offline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// ErrMismatch is returned for records that don't describe this pool.
var ErrMismatch = errors.New("these records don't belong to the pool as it is")

// Backup is a copy of a pool's records.
type Backup struct {
	PoolID        string
	TransactionID uint64
	BaseUUID      string
	Files         map[string][]byte
}

// Restore replaces the records by a backup and returns where the old ones are.
// It refuses one of another pool, or of another moment of it: each record names
// a device, and devices come and go. With dryRun it only looks.
func (p *Pool) Restore(ctx context.Context, b Backup, now time.Time, dryRun bool) (old string, err error) {
	known, ok, err := p.records.KnownIdentity()
	if err != nil {
		return "", err
	}
	if ok && known.PoolID != b.PoolID {
		return "", fmt.Errorf("%w: they are of pool %s, this is %s", ErrMismatch, b.PoolID, known.PoolID)
	}
	path, err := p.locate()
	if err != nil {
		return "", err
	}
	if err := p.match(ctx, path, b); err != nil {
		return "", err
	}
	if dryRun {
		return "", nil
	}
	return p.records.Restore(b.Files, now)
}

func (p *Pool) match(ctx context.Context, path string, b Backup) (err error) {
	metadata, err := thinmeta.Open(path)
	if err != nil {
		return fmt.Errorf("%w; repair the pool first (dmthin repair)", err)
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	if now := metadata.Superblock().TransactionID; now != b.TransactionID {
		return fmt.Errorf("%w: it is at transaction %d, they are of transaction %d: layers were made or removed in between, and the records would name the wrong devices",
			ErrMismatch, now, b.TransactionID)
	}
	return p.matchBase(ctx, metadata, b)
}

// matchBase compares the filesystem in the base device with the one recorded. It
// can do so on loop files only: elsewhere the device would have to be active.
func (p *Pool) matchBase(ctx context.Context, metadata *thinmeta.Reader, b Backup) error {
	if _, err := os.Stat(p.dataFile()); err != nil || b.BaseUUID == "" {
		return nil
	}
	var base state.Record
	if err := json.Unmarshal(b.Files["metadata/"+state.BaseName], &base); err != nil {
		return nil // a damaged record is restored as it was
	}
	first, err := firstBlock(ctx, metadata, base.DeviceID)
	if err != nil {
		return fmt.Errorf("%w: the base device (device ID %d) can't be read: %w", ErrMismatch, base.DeviceID, err)
	}
	uuid, err := p.uuidAt(ctx, int64(first)*metadata.Superblock().BlockSize)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	if uuid != b.BaseUUID {
		return fmt.Errorf("%w: the base device's filesystem has UUID %s, they say %s", ErrMismatch, uuid, b.BaseUUID)
	}
	return nil
}

var errFound = errors.New("found")

// firstBlock returns which block of the pool is a device's first one.
func firstBlock(ctx context.Context, metadata *thinmeta.Reader, id uint32) (block uint64, err error) {
	err = metadata.Mappings(ctx, id, func(m thinmeta.Mapping) error {
		if m.Virtual != 0 {
			return errors.New("its first block is not mapped")
		}
		block = m.Data
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return block, nil
	case err == nil:
		return 0, errors.New("nothing is mapped")
	}
	return 0, err
}

// uuidAt reads the UUID of a filesystem that begins somewhere in the data file.
func (p *Pool) uuidAt(ctx context.Context, at int64) (string, error) {
	const enough = 64 << 10 // for the superblock of either filesystem
	data, err := os.Open(p.dataFile())
	if err != nil {
		return "", err
	}
	defer data.Close()
	head, err := os.CreateTemp("", "dmthin-base-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(head.Name()) }() // a copy
	_, err = io.Copy(head, io.NewSectionReader(data, at, enough))
	if err := errors.Join(err, head.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", filepath.Base(p.dataFile()), err)
	}
	return filesystem.UUID(ctx, head.Name())
}
