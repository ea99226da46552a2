package thinmeta

import "errors"

// What reading may fail with, besides I/O errors.
var (
	// ErrMagic: no thin pool's metadata is there.
	ErrMagic = errors.New("not the metadata of a thin pool")
	// ErrVersion: a format this package doesn't know.
	ErrVersion = errors.New("unknown version of thin pool metadata")
	// ErrChecksum: the block was not written as it reads now.
	ErrChecksum = errors.New("wrong checksum")
	// ErrCorrupt: the checksum is right but the content makes no sense.
	ErrCorrupt = errors.New("damaged thin pool metadata")
	// ErrNoDevice: the pool has no thin device of that ID.
	ErrNoDevice = errors.New("the pool has no such device ID")
	// ErrNotHeld: no metadata snapshot is reserved.
	ErrNotHeld = errors.New("the pool holds no metadata snapshot; reserve one first")
	// ErrChanged: the pool committed while it was read. What was read is
	// worthless; read a metadata snapshot, or try again.
	ErrChanged = errors.New("the pool's metadata changed while it was read")
)

// isDoubtful tells apart the errors that blocks in new use can bring about.
func isDoubtful(err error) bool {
	return errors.Is(err, ErrChecksum) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNoDevice)
}
