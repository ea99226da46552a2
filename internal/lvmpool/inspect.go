package lvmpool

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmthin/dmthin/internal/disk"
	"github.com/dmthin/dmthin/internal/lvm"
)

// CheckTools makes sure that everything is there that a set-up runs: a
// *lvm.MissingToolError names what is not. thin_check is run by LVM, at each
// activation of a pool; without it a reboot would end with no pool (moby
// #34486).
func CheckTools() error {
	return lvm.CheckTools("pvcreate", "vgcreate", "lvcreate", "lvconvert", "lvchange", "wipefs", "thin_check")
}

// Candidate is a disk that was found fit to be set up.
type Candidate struct {
	Device string `json:"device"`
	Size   int64  `json:"size"`
	// Destroys says what is on the disk and goes: empty unless wiping is
	// allowed.
	Destroys []string `json:"destroys"`
}

// InspectDisk decides whether a disk may be set up. It only reads. wipe lets
// signatures and partitions pass, but not users; wipeOption says to an operator
// how to ask for it. Refusals are *Error.
func InspectDisk(ctx context.Context, commands *lvm.LVM, device string, wipe bool, wipeOption string) (Candidate, error) {
	subject := "disk " + device
	d, err := disk.Inspect(device)
	if err != nil {
		return Candidate{}, &Error{Subject: subject, Kind: ErrUnsuitable, Found: "can't be used", Err: err,
			Hint: "give the path of a block device; lsblk lists them"}
	}
	if d.ReadOnly {
		return Candidate{}, refuse(ErrUnsuitable, subject, "use another one", "is read-only")
	}
	if err := checkNotInGroup(ctx, commands, d); err != nil {
		return Candidate{}, err
	}
	if len(d.Users) > 0 {
		return Candidate{}, refuse(ErrInUse, subject, "free it first, or use another one: lsblk "+device+" shows what is on it",
			"is in use: %s", Some(d.Users))
	}
	found, err := commands.Signatures(ctx, device)
	if err != nil {
		return Candidate{}, &Error{Subject: subject, Kind: ErrUnsuitable, Found: "can't be examined", Err: err}
	}
	c := Candidate{Device: device, Size: d.Size, Destroys: Contents(found, d.Partitions)}
	if len(c.Destroys) > 0 && !wipe {
		return Candidate{}, refuse(ErrSigned, subject, "use an empty disk, or, if all that is on it may go, "+wipeOption,
			"is not empty: it has %s", Some(c.Destroys))
	}
	return c, nil
}

// checkNotInGroup refuses disks of volume groups, whether or not a volume of it
// is active: wiping one damages all of the group.
func checkNotInGroup(ctx context.Context, commands *lvm.LVM, d disk.Disk) error {
	all, err := commands.PhysicalVolumes(ctx)
	if err != nil {
		return err
	}
	for _, pv := range all {
		if pv.VG == "" || bool(pv.Missing) {
			continue
		}
		other, err := disk.Number(pv.Device)
		if err != nil {
			continue // gone meanwhile
		}
		if other == d.Number() {
			return refuse(ErrInUse, "disk "+d.Path, "take it out with vgreduce, or remove the group with vgremove, or use another disk",
				"is already part of LVM's volume group %s", pv.VG)
		}
	}
	return nil
}

// Contents describes signatures and partitions in words.
func Contents(found []lvm.Signature, partitions []string) []string {
	var all []string
	for _, s := range found {
		what := describeSignature(s)
		if len(all) == 0 || all[len(all)-1] != what { // a partition table has two
			all = append(all, what)
		}
	}
	if len(partitions) > 0 {
		all = append(all, "the partitions "+strings.Join(partitions, ", "))
	}
	return all
}

func describeSignature(s lvm.Signature) string {
	kind := map[string]string{
		"gpt": "a GPT partition table", "dos": "a DOS partition table", "PMBR": "a protective MBR",
		"LVM2_member": "the label of an LVM physical volume", "linux_raid_member": "a RAID superblock",
		"swap": "a swap area", "crypto_LUKS": "an encrypted volume",
	}[s.Type]
	if kind == "" {
		kind = "a signature of " + s.Type
	}
	if s.Label != "" {
		kind += fmt.Sprintf(" labelled %q", s.Label)
	}
	return kind
}

// Some joins names, and leaves off what would make a line too long to read.
func Some(names []string) string {
	const shown = 5
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// SameDisk tells whether a path leads to one of these devices.
func SameDisk(path string, devices ...string) bool {
	number, err := disk.Number(path)
	if err != nil {
		return false
	}
	for _, d := range devices {
		if other, err := disk.Number(d); err == nil && other == number {
			return true
		}
	}
	return false
}
