package filesystem

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMountArguments(t *testing.T) {
	cases := []struct {
		name  string
		t     Type
		o     MountOptions
		flags uintptr
		data  string
	}{
		{"ext4 never initialises inode tables", Ext4, MountOptions{}, 0, "noinit_itable"},
		{"xfs accepts snapshots' equal UUIDs", XFS, MountOptions{}, 0, "nouuid"},
		{"read-only", XFS, MountOptions{ReadOnly: true}, unix.MS_RDONLY, "nouuid"},
		{"read-only without replay, xfs", XFS, MountOptions{ReadOnly: true, NoReplay: true}, unix.MS_RDONLY, "nouuid,norecovery"},
		{"read-only without replay, ext4", Ext4, MountOptions{ReadOnly: true, NoReplay: true}, unix.MS_RDONLY, "noinit_itable,noload"},
		{"project quota", XFS, MountOptions{ProjectQuota: true}, 0, "nouuid,prjquota"},
		{"label with categories", XFS, MountOptions{Label: "system_u:object_r:container_file_t:s0:c1,c2"}, 0,
			`nouuid,context="system_u:object_r:container_file_t:s0:c1,c2"`},
		{"flags become flags", Ext4, MountOptions{Extra: []string{"noatime,nodev", "nosuid,noexec"}},
			unix.MS_NOATIME | unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC, "noinit_itable"},
		{"the rest goes to the filesystem", Ext4, MountOptions{Extra: []string{"discard,commit=30", "data=ordered"}}, 0,
			"noinit_itable,discard,commit=30,data=ordered"},
		{"the last of two opposites wins", Ext4, MountOptions{Extra: []string{"nodev,noatime", "dev"}}, unix.MS_NOATIME, "noinit_itable"},
		{"the user's choice comes after ours", Ext4, MountOptions{Extra: []string{"init_itable=5"}}, 0, "noinit_itable,init_itable=5"},
		{"rw can't undo read-only", Ext4, MountOptions{ReadOnly: true, Extra: []string{"rw"}}, unix.MS_RDONLY, "noinit_itable"},
		{"read-only for all", Ext4, MountOptions{Extra: []string{"ro"}}, unix.MS_RDONLY, "noinit_itable"},
		{"fstab words are dropped", XFS, MountOptions{Extra: []string{"defaults,nofail,_netdev,x-systemd.automount,comment=a,auto"}}, 0, "nouuid"},
		{"quotes protect commas", XFS, MountOptions{Extra: []string{`,context="a:s0:c1,c2",,noatime`}}, unix.MS_NOATIME, `nouuid,context="a:s0:c1,c2"`},
	}
	for _, c := range cases {
		flags, data, err := mountArguments(c.t, c.o)
		if err != nil || flags != c.flags || data != c.data {
			t.Errorf("%s: %#x, %q, %v; want %#x, %q", c.name, flags, data, err, c.flags, c.data)
		}
	}
}

func TestMountArgumentsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		t    Type
		o    MountOptions
		want error
	}{
		"bind":                      {Ext4, MountOptions{Extra: []string{"noatime,bind"}}, ErrMountOption},
		"remount":                   {XFS, MountOptions{Extra: []string{"remount"}}, ErrMountOption},
		"propagation":               {XFS, MountOptions{Extra: []string{"rshared"}}, ErrMountOption},
		"loop":                      {XFS, MountOptions{Extra: []string{"loop"}}, ErrMountOption},
		"offset":                    {XFS, MountOptions{Extra: []string{"offset=4096"}}, ErrMountOption},
		"label that ends the quote": {XFS, MountOptions{Label: `a",rootcontext="b`}, ErrMountOption},
		"no replay but writable":    {XFS, MountOptions{NoReplay: true}, ErrMountOption},
		"project quota on ext4":     {Ext4, MountOptions{ProjectQuota: true}, ErrMountOption},
		"another filesystem":        {"btrfs", MountOptions{}, ErrUnsupported},
	} {
		if _, _, err := mountArguments(c.t, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: error = %v, want %v", name, err, c.want)
		}
	}
}

func TestCheckMountOptions(t *testing.T) {
	if err := CheckMountOptions("noatime,discard"); err != nil {
		t.Error(err)
	}
	if err := CheckMountOptions("noatime,bind"); !errors.Is(err, ErrMountOption) {
		t.Errorf("error = %v, want ErrMountOption", err)
	}
}
