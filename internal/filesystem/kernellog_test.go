package filesystem

import "testing"

func TestMessageOfAKernelRecord(t *testing.T) {
	record := "3,1234,5678,-;XFS (dm-3): Filesystem has duplicate UUID; can't mount\n SUBSYSTEM=block\n DEVICE=b253:3\n"
	if got, want := messageOf(record), "XFS (dm-3): Filesystem has duplicate UUID; can't mount"; got != want {
		t.Errorf("messageOf() = %q, want %q", got, want)
	}
}
