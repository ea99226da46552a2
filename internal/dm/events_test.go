package dm

import (
	"testing"
	"unsafe"
)

// The kernel knows the call by a number that holds the size of its argument.
func TestArmPollIsTheKernelsNumber(t *testing.T) {
	const (
		readWrite, group, number = 3, 0xfd, 16
		size                     = unsafe.Sizeof(ioctlHeader{})
		want                     = readWrite<<30 | size<<16 | group<<8 | number
	)
	if armPoll != want || size != 312 {
		t.Errorf("%#x for a header of %d bytes, want %#x", armPoll, size, want)
	}
}
