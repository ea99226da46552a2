package filesystem

import (
	"context"
	"fmt"
	"math"
	"os"
	"unsafe"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"
)

// fitrim is FITRIM, _IOWR('X', 121, struct fstrim_range).
const fitrim = 0xc0185879

// trimStep bounds how long one call stays in the kernel. ext4 works by block
// groups of 128 MiB, xfs by allocation groups.
const trimStep = 8 * units.GiB

// trimRange is struct fstrim_range of linux/fs.h. The kernel puts into length
// how many bytes it discarded.
type trimRange struct{ start, length, minimum uint64 }

// Trim discards the free space of the filesystem mounted at dir and returns how
// much that is, in bytes. ext4 leaves out what it trimmed before and nobody
// used since. The context is looked at every 8 GiB. EOPNOTSUPP: the device
// takes no discards.
func Trim(ctx context.Context, dir string) (int64, error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, fmt.Errorf("trim: %w", err)
	}
	defer f.Close()
	// What was deleted a moment ago is free only once the journal is committed.
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return 0, fmt.Errorf("trim %s: sync: %w", dir, err)
	}
	var size unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &size); err != nil {
		return 0, fmt.Errorf("trim %s: %w", dir, err)
	}
	end := size.Blocks * uint64(size.Bsize)
	var total int64
	for start := uint64(0); start < end; start += trimStep {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		// Blocks counts less than the filesystem's length: what it needs
		// itself is not in it. The last step goes to the end, wherever that is.
		r := trimRange{start: start, length: trimStep}
		if start+trimStep >= end {
			r.length = math.MaxUint64 - start
		}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fitrim, uintptr(unsafe.Pointer(&r)))
		if errno != 0 {
			return total, fmt.Errorf("trim %s: %w", dir, errno)
		}
		total += int64(r.length)
	}
	return total, nil
}
