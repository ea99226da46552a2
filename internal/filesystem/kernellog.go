package filesystem

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelLog is a position in the kernel's log. mount(2) returns a bare EINVAL
// for most of what can be wrong; the reason is only logged.
type kernelLog struct{ fd int }

// markKernelLog remembers the log's end. Where the log can't be read (a
// container without CAP_SYSLOG) the mark finds no messages.
func markKernelLog() kernelLog {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return kernelLog{-1}
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		_ = unix.Close(fd)
		return kernelLog{-1}
	}
	return kernelLog{fd}
}

func (k kernelLog) close() {
	if k.fd >= 0 {
		_ = unix.Close(k.fd)
	}
}

// last returns the newest message since the mark about the device, or else
// about the filesystem type.
func (k kernelLog) last(device string, t Type) string {
	if k.fd < 0 {
		return ""
	}
	name := kernelName(device)
	var ofDevice, ofType string
	buf := make([]byte, 8192) // the longest record the kernel hands out
	for range 1000 {          // in case the log grows as fast as it is read
		n, err := unix.Read(k.fd, buf)
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR) {
			continue // records were overwritten
		}
		if err != nil || n <= 0 {
			break
		}
		text := messageOf(string(buf[:n]))
		switch {
		case name != "" && strings.Contains(text, "("+name+")"):
			ofDevice = text
		case strings.HasPrefix(strings.ToLower(text), string(t)):
			ofType = text
		}
	}
	if ofDevice != "" {
		return ofDevice
	}
	return ofType
}

// messageOf cuts "priority,sequence,time,flags;text\n KEY=value…" to the text.
func messageOf(record string) string {
	_, text, _ := strings.Cut(record, ";")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// kernelName is what the kernel calls a block device in its messages and in
// sysfs: dm-3, loop0. It is empty for what is no block device.
func kernelName(device string) string {
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return ""
	}
	number := strconv.Itoa(int(unix.Major(st.Rdev))) + ":" + strconv.Itoa(int(unix.Minor(st.Rdev)))
	link, err := os.Readlink("/sys/dev/block/" + number)
	if err != nil {
		return ""
	}
	return filepath.Base(link)
}
