package dm

import (
	"testing"
	"unsafe"
)

// The kernel knows the call by a number that holds the size of its argument.
func TestArmPollIsTheKernelsNumber(t *testing.T) {
	const readWrite, group, number = 3, 0xfd, 16
	size := unsafe.Sizeof(ioctlHeader{})
	if want := uintptr(readWrite<<30 | group<<8 | number | size<<16); armPoll != want || size != 312 {
		t.Errorf("%#x for a header of %d bytes, want %#x", uintptr(armPoll), size, want)
	}
}
