package diff

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

const capabilityXattr = "security.capability"

// procName names an entry of an open folder for the xattr calls, which take no
// folder descriptor (setxattrat came with Linux 6.13).
func procName(dirfd int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dirfd) + "/" + name
}

// capability returns an entry's security.capability, nil if it has none.
func capability(dirfd int, name string) ([]byte, error) {
	return readCapability(procName(dirfd, name), make([]byte, capabilityBuffer))
}

// capabilityBuffer has room for the longest form the kernel knows, the 24 bytes
// of VFS_CAP_REVISION_3.
const capabilityBuffer = 64

func readCapability(file string, buf []byte) ([]byte, error) {
	n, err := unix.Lgetxattr(file, capabilityXattr, buf)
	return capabilityValue(buf, n, err)
}

// capabilityValue takes what the kernel said.
func capabilityValue(buf []byte, n int, err error) ([]byte, error) {
	switch {
	case err == nil:
		return buf[:n], nil
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP), isGone(err):
		return nil, nil
	}
	return nil, fmt.Errorf("read %s: %w", capabilityXattr, err)
}

// portableCapability turns a capability that is bound to a user namespace's
// root (revision 3) into one that is not (revision 2). The namespace means
// nothing where the tar is unpacked; Docker does the same.
func portableCapability(value []byte) []byte {
	const (
		revisionAt = 3 // the top byte of the little-endian magic
		revision2  = 2
		revision3  = 3
		length2    = 20
	)
	if len(value) < length2 || value[revisionAt] != revision3 {
		return value
	}
	value = value[:length2]
	value[revisionAt] = revision2
	return value
}
