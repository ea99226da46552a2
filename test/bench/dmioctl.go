package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Device-mapper's ioctls, bare: no library, no udev, no node. The floor is
// measured with them, so nothing here is shared with dmthin.
const (
	dmDevCreate   = 3
	dmDevRemove   = 4
	dmDevSuspend  = 6 // or resume, without the flag
	dmTableLoad   = 9
	dmTableStatus = 12
	dmTargetMsg   = 14
	dmHeader      = 312
	dmAnswerSpace = 4096
	// udev leaves the devices alone.
	dmNoRules = 0x3f << 16

	dmSuspendFlag = 1 << 1
)

// offsets in struct dm_ioctl.
const (
	dmVersion     = 0
	dmDataSize    = 12
	dmDataStart   = 16
	dmTargetCount = 20
	dmFlags       = 28
	dmEventNr     = 32
	dmDev         = 40
	dmName        = 48
)

type control struct{ file *os.File }

func openControl() (control, error) {
	f, err := os.OpenFile("/dev/mapper/control", os.O_RDWR, 0)
	return control{f}, err
}

// call runs one ioctl on the named device and returns its number.
func (c control) call(nr uintptr, name string, flags, targets uint32, payload []byte) (dev uint64, err error) {
	buf := make([]byte, dmHeader+dmAnswerSpace)
	put := binary.NativeEndian.PutUint32
	put(buf[dmVersion:], 4)
	put(buf[dmDataSize:], uint32(len(buf)))
	put(buf[dmDataStart:], dmHeader)
	put(buf[dmTargetCount:], targets)
	put(buf[dmFlags:], flags)
	put(buf[dmEventNr:], dmNoRules)
	copy(buf[dmName:], name)
	copy(buf[dmHeader:], payload)
	request := 3<<30 | dmHeader<<16 | 0xfd<<8 | nr
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, c.file.Fd(), request, uintptr(unsafe.Pointer(&buf[0])))
	if errno != 0 {
		return 0, fmt.Errorf("device-mapper ioctl %d on %s: %w", nr, name, errno)
	}
	return binary.NativeEndian.Uint64(buf[dmDev:]), nil
}

func (c control) message(pool, text string) error {
	_, err := c.call(dmTargetMsg, pool, 0, 0, append(make([]byte, 8), text+"\x00"...)) // at sector 0
	return err
}

// activate makes a device of one target and returns its node, which the kernel
// itself makes in devtmpfs.
func (c control) activate(name, target, params string, sectors uint64) (node string, err error) {
	dev, err := c.call(dmDevCreate, name, 0, 0, nil)
	if err != nil {
		return "", err
	}
	spec := make([]byte, 40, 256)
	binary.NativeEndian.PutUint64(spec[8:], sectors)
	copy(spec[24:], target)
	_, err = c.call(dmTableLoad, name, 0, 1, append(spec, params+"\x00"...))
	if err == nil {
		err = c.resume(name)
	}
	if err != nil {
		return "", errors.Join(err, c.remove(name))
	}
	return fmt.Sprintf("/dev/dm-%d", unix.Minor(dev)), nil
}

func (c control) remove(name string) error {
	_, err := c.call(dmDevRemove, name, 0, 0, nil)
	return err
}

// suspend freezes the filesystem on a device and writes what it has.
func (c control) suspend(name string) error {
	_, err := c.call(dmDevSuspend, name, dmSuspendFlag, 0, nil)
	return err
}

func (c control) resume(name string) error {
	_, err := c.call(dmDevSuspend, name, 0, 0, nil)
	return err
}

// commit makes a pool write its metadata: it does so before it tells its status.
func (c control) commit(pool string) error {
	_, err := c.call(dmTableStatus, pool, 0, 0, nil)
	return err
}
