package writelog

import (
	"os"

	"golang.org/x/sys/unix"
)

// SparseFile is a Disk in a file.
type SparseFile struct{ *os.File }

// Zero gives the range back to who has the file.
func (f SparseFile) Zero(at, length int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, length)
}
