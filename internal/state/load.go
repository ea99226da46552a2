package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// MaxDeviceID is the highest device ID a thin pool takes (24 bits).
const MaxDeviceID = 1<<24 - 1

// Records is everything found in the metadata directory.
type Records struct {
	Layers     map[string]Record // by layer ID; BaseName is the base device
	Tombstones map[string]Record // by tombstone name: removed, blocks still held
	Damaged    map[string]error  // by file name: what can't be read, and why
}

// Load reads all records. A damaged file never hides in silence nor stops the
// rest: it is returned by name. Load finishes a Bury that was cut short.
func (s *Store) Load() (Records, error) {
	s.digest = s.takeDigest()
	files, err := s.readKnown(time.Time{})
	if err != nil {
		return Records{}, err
	}
	found := sorted(files)
	if err := s.finishBurials(&found); err != nil {
		return Records{}, err
	}
	markDuplicates(&found, s.metadata)
	return found, nil
}

// Scan is Load for onlookers: it changes nothing, and reads each file. A layer that
// is being buried counts as buried.
func (s *Store) Scan() (Records, error) {
	files, err := readAll(s, isRecord, s.load)
	if err != nil {
		return Records{}, err
	}
	found := sorted(files)
	for tombstone, r := range found.Tombstones {
		if name := BuriedName(tombstone, r); found.Layers[name].DeviceID == r.DeviceID {
			delete(found.Layers, name)
		}
	}
	for name, r := range found.Layers {
		if r.Deleted && name != BaseName {
			delete(found.Layers, name)
			found.Tombstones[TombstoneName(name, r.DeviceID)] = r
		}
	}
	markDuplicates(&found, s.metadata)
	return found, nil
}

// loaded is what a record's file holds, or why that can't be told.
type loaded struct {
	record  Record
	damaged error
	print   *fingerprint // of when it was read; nil if it may change and keep that
}

func sorted(files map[string]loaded) Records {
	found := Records{Layers: map[string]Record{}, Tombstones: map[string]Record{}, Damaged: map[string]error{}}
	for name, file := range files {
		switch {
		case file.damaged != nil:
			found.Damaged[name] = file.damaged
		case IsTombstone(name):
			found.Tombstones[name] = file.record
		default:
			found.Layers[name] = file.record
		}
	}
	return found
}

// Changed returns when a layer's record was last written: at its making, and at
// each change of its stage.
func (s *Store) Changed(name string) (time.Time, error) {
	info, err := os.Stat(filepath.Join(s.metadata, name))
	if err != nil {
		return time.Time{}, fmt.Errorf("look at record: %w", err)
	}
	return info.ModTime(), nil
}

// isRecordName skips what is no layer: dot files, the control files, and what
// Docker's migration from its first format left behind.
func isRecordName(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".migrated") &&
		name != deviceSetName && name != intentName
}

func isRecord(e fs.DirEntry) bool { return isRecordName(e.Name()) }

func (s *Store) load(name string) (file loaded, err error) {
	err = s.read(func() error { return readJSON(s.metadata, name, &file.record) })
	if errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err == nil {
		if reason := file.record.check(); reason != nil {
			err = &DamagedError{filepath.Join(s.metadata, name), reason}
		}
	}
	file.damaged = err
	return file, nil
}

// check tells what is wrong with a record that could be read.
func (r Record) check() error {
	switch {
	case r.DeviceID > MaxDeviceID:
		return fmt.Errorf("device ID %d is above %d", r.DeviceID, MaxDeviceID)
	case r.Size <= 0:
		return fmt.Errorf("size %d is not positive", r.Size)
	case r.Stage != StageReady && r.Stage != StagePreparing && r.Stage != StageApplying:
		return fmt.Errorf("stage %q is unknown", r.Stage)
	case r.Root != "" && (r.Root == ".." || strings.ContainsRune(r.Root, '/')):
		return fmt.Errorf("root %q is not a folder name", r.Root)
	}
	return nil
}

// BuriedName is the layer that a tombstone is of.
func BuriedName(tombstone string, r Record) string {
	return strings.TrimSuffix(tombstone, TombstoneName("", r.DeviceID))
}

// finishBurials completes removals that were cut between the tombstone and the
// layer's record, and gives layers that Docker marked as deleted their
// tombstone, so that their IDs are free.
func (s *Store) finishBurials(found *Records) error {
	for tombstone, r := range found.Tombstones {
		name := BuriedName(tombstone, r)
		if layer, ok := found.Layers[name]; ok && layer.DeviceID == r.DeviceID {
			if err := s.Delete(name); err != nil {
				return err
			}
			delete(found.Layers, name)
		}
	}
	for name, r := range found.Layers {
		if !r.Deleted || name == BaseName {
			continue
		}
		tombstone, err := s.Bury(name, r)
		if err != nil {
			return err
		}
		delete(found.Layers, name)
		found.Tombstones[tombstone] = r
	}
	return nil
}

// markDuplicates declares records damaged that claim the same device: one of
// them is wrong, and acting on either could destroy the other's data.
func markDuplicates(found *Records, dir string) {
	owner := map[uint32]string{}
	for _, set := range []map[string]Record{found.Layers, found.Tombstones} {
		for name, r := range set {
			other, taken := owner[r.DeviceID]
			if !taken {
				owner[r.DeviceID] = name
				continue
			}
			reason := fmt.Errorf("device ID %d is also in record %s", r.DeviceID, other)
			found.Damaged[name] = &DamagedError{filepath.Join(dir, name), reason}
			reason = fmt.Errorf("device ID %d is also in record %s", r.DeviceID, name)
			found.Damaged[other] = &DamagedError{filepath.Join(dir, other), reason}
		}
	}
	for name := range found.Damaged {
		delete(found.Layers, name)
		delete(found.Tombstones, name)
	}
}
