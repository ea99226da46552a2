package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Disk is a block device: a whole disk, a partition, or a device made of
// others.
type Disk struct {
	Path         string // as given
	Major, Minor uint32
	Size         int64 // bytes
	ReadOnly     bool
	Partitions   []string // kernel names: sdb1 …

	// Users say who has the device or a partition of it, one phrase each:
	// "mounted on /srv", "swap", "part of dm-3". Empty: nobody.
	Users []string
}

// Number is MAJOR:MINOR.
func (d Disk) Number() string { return fmt.Sprintf("%d:%d", d.Major, d.Minor) }

// ErrNotBlockDevice says that the path is something else.
var ErrNotBlockDevice = errors.New("not a block device")

// Inspect looks at a device without changing anything. Symbolic links are
// followed.
func Inspect(path string) (Disk, error) { return inspect(path, "/sys", "/proc") }

func inspect(path, sys, proc string) (Disk, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Disk{}, &fs.PathError{Op: "look at disk", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return Disk{}, &fs.PathError{Op: "look at disk", Path: path, Err: ErrNotBlockDevice}
	}
	d := Disk{Path: path, Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}
	if err := d.ask(); err != nil {
		return Disk{}, &fs.PathError{Op: "look at disk", Path: path, Err: err}
	}
	if err := d.findUsers(sys, proc); err != nil {
		return Disk{}, &fs.PathError{Op: "look at disk", Path: path, Err: err}
	}
	if len(d.Users) == 0 {
		d.claim()
	}
	return d, nil
}

// ask reads what the driver tells of the device.
func (d *Disk) ask() error {
	f, err := os.Open(d.Path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close()
	var size uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size))); errno != 0 {
		return errno
	}
	d.Size = int64(size)
	readOnly, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET)
	d.ReadOnly = readOnly != 0
	return err
}

// findUsers looks in sysfs for devices on top, and in proc for mounts and swap,
// of the device and its partitions.
func (d *Disk) findUsers(sys, proc string) error {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "dev/block", d.Number()))
	if err != nil {
		return err
	}
	numbers := []string{d.Number()}
	d.addHolders(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		part := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(part, "partition")); err != nil {
			continue
		}
		d.Partitions = append(d.Partitions, e.Name())
		d.addHolders(part)
		number, err := os.ReadFile(filepath.Join(part, "dev"))
		if err != nil {
			return err
		}
		numbers = append(numbers, strings.TrimSpace(string(number)))
	}
	names := append([]string{filepath.Base(dir)}, d.Partitions...)
	if err := d.addMounts(filepath.Join(proc, "self/mountinfo"), numbers); err != nil {
		return err
	}
	return d.addSwap(filepath.Join(proc, "swaps"), names)
}

func (d *Disk) addHolders(dir string) {
	holders, _ := os.ReadDir(filepath.Join(dir, "holders")) // a device being removed has none
	for _, h := range holders {
		d.Users = append(d.Users, "part of "+h.Name())
	}
}

func (d *Disk) addMounts(path string, numbers []string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		use := "mounted on " + m.Mountpoint
		if slices.Contains(numbers, fmt.Sprintf("%d:%d", m.Major, m.Minor)) && !slices.Contains(d.Users, use) {
			d.Users = append(d.Users, use)
		}
	}
	return nil
}

func (d *Disk) addSwap(path string, names []string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) { // a kernel without swap
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		if target, err := filepath.EvalSymlinks(name); err == nil && slices.Contains(names, filepath.Base(target)) {
			d.Users = append(d.Users, "swap")
		}
	}
	return nil
}

// claim tries what the kernel grants to one user at a time, and takes back at
// the close. It knows of users in other mount namespaces too, and of md and
// swap and the like. Opened for reading only, the device stays untouched, and
// udevd doesn't see a writer go.
func (d *Disk) claim() {
	fd, err := unix.Open(d.Path, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		d.Users = append(d.Users, fmt.Sprintf("claimed by a program or another mount namespace (open: %v)", err))
		return
	}
	_ = unix.Close(fd)
}

// Number returns MAJOR:MINOR of a block device.
func Number(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return "", &fs.PathError{Op: "stat", Path: path, Err: ErrNotBlockDevice}
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)), nil
}
