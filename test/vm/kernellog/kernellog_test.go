package kernellog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecordsOfKernelAndProgramsAreToldApart(t *testing.T) {
	tests := []struct {
		raw  string
		want Record
	}{
		{
			"3,601,7120345,-;device-mapper: thin: 253:1: metadata operation failed\n SUBSYSTEM=block\n DEVICE=b253:1\n",
			Record{Kernel: true, Time: 7120345 * time.Microsecond, Text: "device-mapper: thin: 253:1: metadata operation failed"},
		},
		{`12,603,1000000,-;dmthin-expect: device \x5cd+ failed`, Record{Time: time.Second, Text: `dmthin-expect: device \d+ failed`}},
		{"12,602,1000000,-;a program; it says", Record{Time: time.Second, Text: "a program; it says"}},
	}
	for _, tt := range tests {
		got, err := ParseRecord(tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBrokenRecordsAreRefused(t *testing.T) {
	for _, raw := range []string{"", "6,1,2", "6;text", "x,1,2,-;text", "6,1,x,-;text"} {
		if r, err := ParseRecord(raw); err == nil {
			t.Errorf("%q is taken for %+v", raw, r)
		}
	}
}

func kernel(text string) Record { return Record{Kernel: true, Text: text} }

func check(records ...Record) []string {
	c := NewChecker()
	for _, r := range records {
		c.Check(r)
	}
	return c.Faults()
}

func TestFaultsAreFound(t *testing.T) {
	for _, text := range []string{
		"BUG: unable to handle page fault for address: 0000",
		"kernel BUG at drivers/md/dm-thin.c:1",
		"WARNING: CPU: 0 PID: 1 at drivers/md/dm.c:1 dm_put",
		"Oops: 0002 [#1] SMP",
		"INFO: task dmthind:200 blocked for more than 120 seconds.",
		"device-mapper: table: 253:0: thin-pool: Error setting metadata or data device (-EINVAL)",
		"device-mapper: thin: 253:1: metadata operation 'dm_pool_alloc_data_block' failed: error = -28",
		"EXT4-fs error (device dm-3): ext4_lookup:1",
		"XFS (dm-3): Corruption detected. Unmount and run xfs_repair",
	} {
		if diff := cmp.Diff([]string{text}, check(kernel(text))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWhatIsNoFaultPasses(t *testing.T) {
	if got := check(
		kernel("device-mapper: thin: 253:1: reached low water mark for data device: sending event."),
		kernel("EXT4-fs (dm-3): mounted filesystem with ordered data mode"),
		Record{Text: "a program says BUG: and WARNING:"},
	); len(got) != 0 {
		t.Errorf("found %q", got)
	}
}

func TestAnnouncedFaultsPassAfterTheAnnouncementOnly(t *testing.T) {
	fault := kernel("device-mapper: thin: 253:1: switching pool to out-of-data-space (error IO) mode")
	announce := Record{Text: "dmthin-expect: out-of-data-space"}
	if got := check(announce, fault, fault); len(got) != 0 {
		t.Errorf("announced, but found: %q", got)
	}
	if got := check(fault, announce); len(got) != 1 {
		t.Errorf("came before its announcement: %q", got)
	}
	if got := check(announce, kernel("BUG: something else")); len(got) != 1 {
		t.Errorf("not what was announced: %q", got)
	}
}

func TestBadAnnouncementIsAFault(t *testing.T) {
	if got := check(Record{Text: "dmthin-expect: ("}); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestTheKernelCannotAnnounce(t *testing.T) {
	// Nor can a program pass for the kernel: /dev/kmsg gives it another facility.
	if got := check(kernel("dmthin-expect: BUG"), kernel("BUG: oh")); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
