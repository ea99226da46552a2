//go:build roottest

package lvmpool

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop"
	"github.com/dmthin/dmthin/internal/loop/looptest"
	"github.com/dmthin/dmthin/internal/lvm"
)

const mib = 1 << 20

func run(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// raid writes the superblock of a member of an md array, version 1.2
// (include/uapi/linux/raid/md_p.h).
func raid(t *testing.T, device string) {
	t.Helper()
	block := make([]byte, 4096)
	binary.LittleEndian.PutUint32(block, 0xa92b4efc)
	binary.LittleEndian.PutUint32(block[4:], 1)
	copy(block[16:32], "0123456789abcdef")
	binary.LittleEndian.PutUint64(block[144:], 8) // its own place, in sectors
	writeAt(t, device, block, 4096)
}

// mbr is the first sector of a disk with one partition of this type.
func mbr(kind byte) []byte {
	sector := make([]byte, 512)
	entry := sector[446:]
	entry[4] = kind
	binary.LittleEndian.PutUint32(entry[8:], 1)
	binary.LittleEndian.PutUint32(entry[12:], 64*mib/512-1)
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// gpt writes an empty partition table (UEFI specification, 5.3).
func gpt(t *testing.T, device string) {
	t.Helper()
	const last = 64*mib/512 - 1
	entries := make([]byte, 128*128)
	header := make([]byte, 512)
	copy(header, "EFI PART\x00\x00\x01\x00")
	le := binary.LittleEndian
	le.PutUint32(header[12:], 92)
	le.PutUint64(header[24:], 1)    // where this header is
	le.PutUint64(header[32:], last) // and the other one
	le.PutUint64(header[40:], 34)
	le.PutUint64(header[48:], last-33)
	copy(header[56:72], "0123456789abcdef")
	le.PutUint64(header[72:], 2)
	le.PutUint32(header[80:], 128)
	le.PutUint32(header[84:], 128)
	le.PutUint32(header[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(header[16:], crc32.ChecksumIEEE(header[:92]))
	writeAt(t, device, mbr(0xee), 0)
	writeAt(t, device, header, 512)
}

func writeAt(t *testing.T, device string, content []byte, at int64) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(content, at)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func checksum(t *testing.T, device string) [32]byte {
	t.Helper()
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func commands(t *testing.T) *lvm.LVM {
	t.Helper()
	return lvm.New(lvm.Config{Dir: t.TempDir()})
}

func TestSignedDiskIsRefusedByNameAndLeftByteForByte(t *testing.T) {
	for name, tc := range map[string]struct {
		sign func(t *testing.T, device string)
		says string
	}{
		"ext4": {func(t *testing.T, d string) { run(t, "", "mkfs.ext4", "-q", "-L", "mydata", d) }, `a signature of ext4 labelled "mydata"`},
		"swap": {func(t *testing.T, d string) { run(t, "", "mkswap", d) }, "a swap area"},
		"gpt":  {gpt, "a GPT partition table"},
		"dos":  {func(t *testing.T, d string) { writeAt(t, d, mbr(0x83), 0) }, "a DOS partition table"},
		"lvm":  {func(t *testing.T, d string) { run(t, "", "pvcreate", "-q", d) }, "the label of an LVM physical volume"},
		"raid": {raid, "a RAID superblock"},
	} {
		t.Run(name, func(t *testing.T) {
			device := looptest.Image(t, 64*mib).Path
			tc.sign(t, device)
			before := checksum(t, device)
			_, err := InspectDisk(t.Context(), commands(t), device, false, "dm.directlvm_device_force=true")
			wantError(t, err, ErrSigned, device, tc.says, "dm.directlvm_device_force=true")
			c, err := InspectDisk(t.Context(), commands(t), device, true, "")
			if err != nil || !strings.Contains(strings.Join(c.Destroys, " "), tc.says) {
				t.Errorf("forced: %+v, %v", c, err)
			}
			if checksum(t, device) != before {
				t.Error("the disk was changed")
			}
		})
	}
}

func TestDiskInUseIsRefusedEvenIfAllOnItMayGo(t *testing.T) {
	device := looptest.Image(t, 64*mib).Path
	refused := func(words ...string) {
		t.Helper()
		before := checksum(t, device)
		for _, wipe := range []bool{false, true} {
			_, err := InspectDisk(t.Context(), commands(t), device, wipe, "")
			wantError(t, err, ErrInUse, append(words, device)...)
		}
		if checksum(t, device) != before {
			t.Error("the disk was changed")
		}
	}
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	refused("claimed by a program")
	_ = unix.Close(fd)

	run(t, "", "mkfs.ext4", "-q", device)
	dir := t.TempDir()
	run(t, "", "mount", "-o", "ro", device, dir)
	t.Cleanup(func() { run(t, "", "umount", dir) })
	refused("mounted on "+dir, "lsblk "+device)
}

func TestDiskOfAVolumeGroupIsRefusedEvenIfAllOnItMayGo(t *testing.T) {
	device := looptest.Image(t, 64*mib).Path
	run(t, "", "vgcreate", "-q", "dmthintest", device)
	t.Cleanup(func() { run(t, "", "vgremove", "-q", "dmthintest") })
	link := filepath.Join(t.TempDir(), "disk")
	if err := os.Symlink(device, link); err != nil {
		t.Fatal(err)
	}
	before := checksum(t, device)
	for _, path := range []string{device, link} {
		_, err := InspectDisk(t.Context(), commands(t), path, true, "")
		wantError(t, err, ErrInUse, path, "dmthintest", "vgreduce")
	}
	if checksum(t, device) != before {
		t.Error("the disk was changed")
	}
	_, err := PlanCreate(t.Context(), commands(t), CreateRequest{Devices: []string{device}, VolumeGroup: "dmthintest", Pool: "thinpool"})
	wantError(t, err, ErrTaken, "dmthintest", "--vg", "dmthin pool extend")
}

func TestWhatIsNoDiskIsRefused(t *testing.T) {
	for path, words := range map[string]string{"/dev/no-such-disk": "no such file", "/dev/null": "not a block device", "/etc/passwd": "not a block device"} {
		_, err := InspectDisk(t.Context(), commands(t), path, true, "")
		wantError(t, err, ErrUnsuitable, path, words, "lsblk")
	}
	d := looptest.Image(t, mib)
	readOnly(t, d)
	_, err := InspectDisk(t.Context(), commands(t), d.Path, true, "")
	wantError(t, err, ErrUnsuitable, d.Path, "read-only")
}

func readOnly(t *testing.T, d *loop.Device) {
	t.Helper()
	run(t, "", "blockdev", "--setro", d.Path)
	// It stays on the loop device beyond the file.
	t.Cleanup(func() { run(t, "", "blockdev", "--setrw", d.Path) })
}

func TestEmptyDiskIsAccepted(t *testing.T) {
	device := looptest.Image(t, 64*mib).Path
	c, err := InspectDisk(t.Context(), commands(t), device, false, "")
	if err != nil || c.Device != device || c.Size != 64*mib || len(c.Destroys) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// What may go is in the plan, and the disks have not been touched.
func TestPlanIsWhatAnOperatorWouldType(t *testing.T) {
	first, second := looptest.Image(t, 1024*mib).Path, looptest.Image(t, 512*mib).Path
	run(t, "", "mkfs.ext4", "-q", second)
	before := checksum(t, second)
	r := CreateRequest{Devices: []string{first, second}, VolumeGroup: "docker", Pool: "thinpool", Policy: lvm.Policy{Threshold: 80, Percent: 20}}
	_, err := PlanCreate(t.Context(), commands(t), r)
	wantError(t, err, ErrSigned, second, "--wipe")
	r.Wipe = true
	p, err := PlanCreate(t.Context(), commands(t), r)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Steps {
		got = append(got, s.Shell)
	}
	want := strings.Join([]string{
		"wipefs --all " + second, "pvcreate " + first, "pvcreate " + second,
		"vgcreate --addtag dmthin.unfinished docker " + first + " " + second,
		"lvcreate --yes --wipesignatures y -n thinpool docker -l 95%VG",
		"lvcreate --yes --wipesignatures y -n thinpoolmeta docker -l 1%VG",
		"lvconvert --yes --zero n -c 512K --thinpool docker/thinpool --poolmetadata docker/thinpoolmeta",
		`printf 'activation {\n  thin_pool_autoextend_threshold=80\n  thin_pool_autoextend_percent=20\n}\n' > /etc/lvm/profile/docker-thinpool.profile`,
		"lvchange --metadataprofile docker-thinpool docker/thinpool",
		"vgchange --deltag dmthin.unfinished docker",
	}, "\n")
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if checksum(t, second) != before || strings.Join(p.Destroys(), "") != second+": a signature of ext4" {
		t.Errorf("destroys %q", p.Destroys())
	}
}

func TestLateFailureOfTheLooksLeavesAllDisksAlone(t *testing.T) {
	first := looptest.Image(t, 16*mib).Path
	before := checksum(t, first)
	_, err := PlanCreate(t.Context(), commands(t), CreateRequest{Devices: []string{first}, VolumeGroup: "docker", Pool: "thinpool"})
	wantError(t, err, ErrTooSmall, first)
	if checksum(t, first) != before {
		t.Error("the disk was changed")
	}
}

func TestAPoolThatIsNotThereIsToldWithWhatToDo(t *testing.T) {
	commands := lvm.New(lvm.Config{Dir: t.TempDir()})
	_, err := Inspect(t.Context(), commands, "dmthin-no-such-group", "thinpool")
	if !errors.Is(err, lvm.ErrNotFound) || !strings.Contains(err.Error(), "dmthin pool create") {
		t.Errorf("status: %v", err)
	}
	if _, err := PlanExtend(t.Context(), commands, ExtendRequest{VolumeGroup: "dmthin-no-such-group", Pool: "thinpool", Size: mib}); !errors.Is(err, lvm.ErrNotFound) || !strings.Contains(err.Error(), "--vg") {
		t.Errorf("extend: %v", err)
	}
}
