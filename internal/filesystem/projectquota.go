package filesystem

import (
	"context"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// projectID marks the limited tree. One is enough: a device holds one layer.
const projectID = 0x646d74 // "dmt"

// Of include/uapi/linux/fs.h, dqblk_xfs.h and quota.h.
const (
	fsGetXattr       = 0x801c581f // FS_IOC_FSGETXATTR, _IOR('X', 31, 28 bytes)
	fsSetXattr       = 0x401c5820 // FS_IOC_FSSETXATTR, _IOW('X', 32, 28 bytes)
	flagProjInherit  = 0x200      // FS_XFLAG_PROJINHERIT
	projectQuota     = 2          // PRJQUOTA
	xfsGetQuota      = 'X'<<8 + 3 // Q_XGETQUOTA
	xfsSetQuotaLimit = 'X'<<8 + 4 // Q_XSETQLIM
	quotaSubcmdShift = 8
	fieldSoftAndHard = 1<<2 | 1<<3 // FS_DQ_BSOFT | FS_DQ_BHARD
	quotaVersion     = 1           // FS_DQUOT_VERSION
	quotaOfProject   = 2           // FS_PROJ_QUOTA
	quotaBlock       = 512         // bytes, whatever the filesystem's blocks are
)

// fsXattr is struct fsxattr.
type fsXattr struct {
	Flags, ExtSize, NExtents, ProjectID, CowExtSize uint32
	_                                               [8]byte
}

// diskQuota is struct fs_disk_quota.
type diskQuota struct {
	Version              int8
	Flags                int8
	FieldMask            uint16
	ID                   uint32
	BlockHard, BlockSoft uint64
	InodeHard, InodeSoft uint64
	BlockCount           uint64
	InodeCount           uint64
	_                    [48]byte // timers, warnings and the realtime section
}

// LimitTree limits everything in and below dir, together, to the given number
// of bytes: a writer that wants more gets ENOSPC, and df in the tree shows the
// limit. The filesystem must be xfs, mounted writable with ProjectQuota, and
// nobody may change the tree meanwhile. Less than what is there already is
// refused with a *TooSmallError; the tree may then carry the mark, but no limit.
//
// The limit lives in the filesystem, so snapshots have it too; every later
// mount needs ProjectQuota for it to hold.
func LimitTree(ctx context.Context, device, dir string, bytes int64) error {
	if bytes < quotaBlock {
		return fmt.Errorf("limit %s to %d bytes: at least %d", dir, bytes, quotaBlock)
	}
	if err := markTree(ctx, dir); err != nil {
		return fmt.Errorf("limit %s to %d bytes: %w", dir, bytes, err)
	}
	used, err := projectUsage(device, dir)
	if err != nil {
		return fmt.Errorf("limit %s to %d bytes: read usage: %w", dir, bytes, err)
	}
	if used > bytes {
		return &TooSmallError{Target: dir, Size: bytes, Used: used}
	}
	limit := diskQuota{
		Version: quotaVersion, Flags: quotaOfProject, FieldMask: fieldSoftAndHard, ID: projectID,
		BlockHard: uint64(bytes / quotaBlock), BlockSoft: uint64(bytes / quotaBlock),
	}
	if err := quotactl(xfsSetQuotaLimit, device, projectID, unsafe.Pointer(&limit)); err != nil {
		return fmt.Errorf("limit %s to %d bytes: set project quota on %s: %w", dir, bytes, device, err)
	}
	return nil
}

// projectUsage is the number of bytes the marked tree has. Delayed allocations
// are counted when they are on disk, hence the sync.
func projectUsage(device, dir string) (int64, error) {
	if err := Sync(dir); err != nil {
		return 0, err
	}
	var q diskQuota
	if err := quotactl(xfsGetQuota, device, projectID, unsafe.Pointer(&q)); err != nil {
		return 0, err
	}
	return int64(q.BlockCount) * quotaBlock, nil
}

func quotactl(cmd int, device string, id uint32, arg unsafe.Pointer) error {
	path, err := unix.BytePtrFromString(device)
	if err != nil {
		return err
	}
	full := uintptr(cmd)<<quotaSubcmdShift | projectQuota
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, full, uintptr(unsafe.Pointer(path)), uintptr(id), uintptr(arg), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setProject marks an open file or directory. What is made in a marked
// directory inherits the mark.
func setProject(f *os.File, isDir bool) error {
	var x fsXattr
	if err := ioctl(f, fsGetXattr, unsafe.Pointer(&x)); err != nil {
		return err
	}
	if x.ProjectID == projectID && (!isDir || x.Flags&flagProjInherit != 0) {
		return nil
	}
	x.ProjectID = projectID
	if isDir {
		x.Flags |= flagProjInherit
	}
	return ioctl(f, fsSetXattr, unsafe.Pointer(&x))
}
