package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
)

// A file of the state ends with a checksum over all before it, as one more key,
// which Docker's driver ignores. One that Docker wrote, or an earlier dmthin, has
// none and is taken as it is.
const sealKey = `,"checksum":"`

var errSeal = errors.New("its checksum is wrong")

// seal adds the checksum to a JSON object with at least one key. Its length
// depends on nothing but the object's.
func seal(object []byte) []byte {
	open := bytes.TrimSuffix(object, []byte{'}'})
	return fmt.Appendf(nil, `%s%s%08x"}`, open, sealKey, crc32.ChecksumIEEE(open))
}

// checkSeal finds out whether a file is as it was written.
func checkSeal(data []byte) error {
	at := bytes.LastIndex(data, []byte(sealKey))
	if at < 0 {
		return nil
	}
	want := fmt.Appendf(nil, `%08x"}`, crc32.ChecksumIEEE(data[:at]))
	if !bytes.Equal(bytes.TrimRight(data[at+len(sealKey):], " "), want) {
		return errSeal
	}
	return nil
}
