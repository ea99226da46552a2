package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctl numbers of fs/ext4/ext4.h and fs/xfs/libxfs/xfs_fs.h.
const (
	ext4ResizeFS  = 0x40086610 // EXT4_IOC_RESIZE_FS, _IOW('f', 16, u64)
	xfsGeometryV1 = 0x80705864 // XFS_IOC_FSGEOMETRY_V1, _IOR('X', 100, 112 bytes)
	xfsGrowData   = 0x4010586e // XFS_IOC_FSGROWFSDATA, _IOW('X', 110, 16 bytes)
)

// xfsGeometry is struct xfs_fsop_geom_v1.
type xfsGeometry struct {
	BlockSize, RTExtSize, AGBlocks, AGCount uint32
	LogBlocks, SectSize, InodeSize, IMaxPct uint32
	DataBlocks, RTBlocks, RTExtents         uint64
	LogStart                                uint64
	UUID                                    [16]byte
	SUnit, SWidth                           uint32
	Version                                 int32
	Flags, LogSectSize, RTSectSize          uint32
	DirBlockSize                            uint32
	_                                       uint32
}

// xfsGrow is struct xfs_growfs_data.
type xfsGrow struct {
	NewBlocks uint64
	IMaxPct   uint32
	_         uint32
}

// Grow makes the filesystem mounted writable on dir fill its device. Where it
// does already, nothing happens. It asks the kernel directly, as resize2fs and
// xfs_growfs do for a mounted filesystem; for ext4 that takes CAP_SYS_RESOURCE.
func Grow(ctx context.Context, device, dir string, t Type) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	size, err := deviceSize(device)
	if err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("grow filesystem: %w", err)
	}
	defer f.Close()
	switch t {
	case Ext4:
		err = growExt4(f, size)
	case XFS:
		err = growXFS(f, size)
	default:
		err = ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("grow filesystem of %s on %s to %d bytes: %w", device, dir, size, growError(t, err))
	}
	return nil
}

func growError(t Type, err error) error {
	if t == Ext4 && errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w (a mounted ext4 needs the capability CAP_SYS_RESOURCE, and no recorded errors)", err)
	}
	return err
}

func growExt4(f *os.File, size int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return err
	}
	blocks := uint64(size / st.Bsize)
	return ioctl(f, ext4ResizeFS, unsafe.Pointer(&blocks))
}

func growXFS(f *os.File, size int64) error {
	var g xfsGeometry
	if err := ioctl(f, xfsGeometryV1, unsafe.Pointer(&g)); err != nil {
		return err
	}
	grow := xfsGrow{NewBlocks: uint64(size) / uint64(g.BlockSize), IMaxPct: g.IMaxPct}
	if grow.NewBlocks <= g.DataBlocks {
		return nil
	}
	return ioctl(f, xfsGrowData, unsafe.Pointer(&grow))
}

func deviceSize(device string) (int64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, fmt.Errorf("size of device: %w", err)
	}
	defer f.Close()
	var size uint64
	if err := ioctl(f, unix.BLKGETSIZE64, unsafe.Pointer(&size)); err != nil {
		return 0, fmt.Errorf("size of device %s: %w", device, err)
	}
	return int64(size), nil
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
