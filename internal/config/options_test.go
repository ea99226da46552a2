package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func pointer[T any](v T) *T { return &v }

func TestDefaultsAreThoseOfDockersDriver(t *testing.T) {
	for _, given := range [][]string{nil, {}} {
		got, err := Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		want := Options{
			BaseSize:            10 << 30,
			LoopDataSize:        100 << 30,
			LoopMetadataSize:    2 << 30,
			BlockSize:           64 << 10,
			BlkDiscard:          true,
			MinFreeSpacePercent: 10,
			LibDMLogLevel:       2,
			// Docker's driver left both to the kernel: a full pool then hung
			// writers for a minute, and xfs for ever.
			ErrorIfNoSpace:       true,
			XFSNoSpaceMaxRetries: pointer(uint(0)),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Parse(%v) (-want +got):\n%s", given, diff)
		}
	}
}

func TestEachOptionSetsItsField(t *testing.T) {
	for _, tc := range []struct {
		given  []string
		change func(*Options)
	}{
		{[]string{"dm.basesize=20G"}, func(o *Options) { o.BaseSize, o.BaseSizeSet = 20<<30, true }},
		{[]string{"dm.basesize=10G"}, func(o *Options) { o.BaseSizeSet = true }},
		{[]string{"dm.basesize=16MiB"}, func(o *Options) { o.BaseSize, o.BaseSizeSet = 16<<20, true }},
		{[]string{"dm.basesize=0.3g"}, func(o *Options) { o.BaseSize, o.BaseSizeSet = 322122547/512*512, true }},
		{[]string{"dm.loopdatasize=1.5 tb"}, func(o *Options) { o.LoopDataSize = 3 << 39 }},
		{[]string{"dm.loopdatasize=16777216"}, func(o *Options) { o.LoopDataSize = 16 << 20 }},
		{[]string{"dm.loopmetadatasize=2m"}, func(o *Options) { o.LoopMetadataSize = 2 << 20 }},
		{[]string{"dm.fs=ext4"}, func(o *Options) { o.Filesystem = "ext4" }},
		{[]string{"dm.fs=xfs", "dm.basesize=300M"}, func(o *Options) {
			o.Filesystem, o.BaseSize, o.BaseSizeSet = "xfs", 300<<20, true
		}},
		{[]string{"dm.mkfsarg=-O", "dm.mkfsarg=^metadata_csum,quota"}, func(o *Options) {
			o.MkfsArgs = []string{"-O", "^metadata_csum,quota"}
		}},
		{[]string{"dm.mkfsarg=-L a b=c"}, func(o *Options) { o.MkfsArgs = []string{"-L a b=c"} }},
		{[]string{"dm.mountopt=noatime", "dm.mountopt=discard,nobarrier"}, func(o *Options) {
			o.MountOptions = []string{"noatime", "discard,nobarrier"}
		}},
		{[]string{"dm.blocksize=512K"}, func(o *Options) { o.BlockSize, o.BlockSizeSet = 512<<10, true }},
		{[]string{"dm.blocksize=64k"}, func(o *Options) { o.BlockSizeSet = true }},
		{[]string{"dm.blocksize=1G"}, func(o *Options) { o.BlockSize, o.BlockSizeSet = 1<<30, true }},
		{[]string{"dm.blkdiscard=false"}, func(o *Options) { o.BlkDiscard, o.BlkDiscardSet = false, true }},
		{[]string{"dm.blkdiscard=1"}, func(o *Options) { o.BlkDiscardSet = true }},
		{[]string{"dm.override_udev_sync_check=true"}, func(o *Options) { o.OverrideUdevSyncCheck = true }},
		{[]string{"dm.use_deferred_removal=true"}, func(o *Options) { o.DeferredRemoval = pointer(true) }},
		{[]string{"dm.use_deferred_deletion=true"}, func(o *Options) { o.DeferredDeletion = pointer(true) }},
		{[]string{"dm.use_deferred_deletion=false"}, func(o *Options) { o.DeferredDeletion = pointer(false) }},
		{[]string{"dm.use_deferred_removal=true", "dm.use_deferred_deletion=f"}, func(o *Options) {
			o.DeferredRemoval, o.DeferredDeletion = pointer(true), pointer(false)
		}},
		{[]string{"dm.use_deferred_removal=false", "dm.use_deferred_deletion=false"}, func(o *Options) {
			o.DeferredRemoval, o.DeferredDeletion = pointer(false), pointer(false)
		}},
		{[]string{"dm.min_free_space=0%"}, func(o *Options) { o.MinFreeSpacePercent = 0 }},
		{[]string{"dm.min_free_space=99%"}, func(o *Options) { o.MinFreeSpacePercent = 99 }},
		{[]string{"dm.xfs_nospace_max_retries=0"}, func(o *Options) { o.XFSNoSpaceMaxRetries = pointer(uint(0)) }},
		{[]string{"dm.xfs_nospace_max_retries=2147483647"}, func(o *Options) {
			o.XFSNoSpaceMaxRetries = pointer(uint(2147483647))
		}},
		{[]string{"dm.libdm_log_level=7"}, func(o *Options) { o.LibDMLogLevel = 7 }},
		{[]string{"dm.error_if_no_space=false"}, func(o *Options) { o.ErrorIfNoSpace = false }},
		{[]string{"dm.thinpooldev=docker-thinpool"}, func(o *Options) {
			o.ThinPoolDevice, o.BlkDiscard = "docker-thinpool", false
		}},
		{[]string{"dm.thinpooldev=/dev/mapper/docker-thinpool", "dm.blkdiscard=true"}, func(o *Options) {
			o.ThinPoolDevice, o.BlkDiscardSet = "/dev/mapper/docker-thinpool", true
		}},
		{[]string{"dm.thinpooldev=docker/thinpool"}, func(o *Options) {
			o.ThinPoolDevice, o.BlkDiscard = "docker/thinpool", false
		}},
		{[]string{"dm.thinpooldev=/dev/docker/thinpool"}, func(o *Options) {
			o.ThinPoolDevice, o.BlkDiscard = "/dev/docker/thinpool", false
		}},
		{[]string{"dm.datadev=/dev/sdb", "dm.metadatadev=/dev/sdc"}, func(o *Options) {
			o.DataDevice, o.MetadataDevice, o.BlkDiscard = "/dev/sdb", "/dev/sdc", false
		}},
		{[]string{"dm.metadatadev=/dev//sdc"}, func(o *Options) { o.MetadataDevice = "/dev/sdc" }},
		{[]string{"dm.directlvm_device=/dev/sdb"}, func(o *Options) {
			o.DirectLVM.Device, o.BlkDiscard = "/dev/sdb", false
		}},
		{[]string{
			"dm.directlvm_device=/dev/disk/by-id/a:b", "dm.thinp_percent=90", "dm.thinp_metapercent=10%",
			"dm.thinp_autoextend_threshold=100", "dm.thinp_autoextend_percent=1%", "dm.directlvm_device_force=true",
		}, func(o *Options) {
			o.DirectLVM = DirectLVM{"/dev/disk/by-id/a:b", true, 90, 10, 100, 1}
			o.BlkDiscard = false
		}},
	} {
		got, err := Parse(tc.given)
		if err != nil {
			t.Errorf("%q: %v", tc.given, err)
			continue
		}
		want := defaults()
		tc.change(&want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.given, diff)
		}
	}
}

// Docker's driver started with removal off only if deletion was set off too.
func TestDeferredRemovalOffTurnsDeletionOff(t *testing.T) {
	got, err := Parse([]string{"dm.use_deferred_removal=false"})
	if err != nil {
		t.Fatal(err)
	}
	if got.DeferredDeletion == nil || *got.DeferredDeletion {
		t.Error("deferred deletion is not off")
	}
}

func TestContradictingOptionsAreRefusedByName(t *testing.T) {
	for _, tc := range []struct{ given, want []string }{
		{
			[]string{"dm.use_deferred_deletion=true", "dm.use_deferred_removal=false"},
			[]string{"dm.use_deferred_deletion=true", "dm.use_deferred_removal"},
		}, {
			[]string{"dm.basesize=299M", "dm.fs=xfs"},
			[]string{"dm.basesize", "dm.fs=xfs", "299MiB", "300MiB"},
		}, {
			[]string{"dm.directlvm_device=/dev/sdb", "dm.thinpooldev=docker-thinpool"},
			[]string{"dm.thinpooldev", "dm.directlvm_device"},
		}, {
			[]string{"dm.datadev=/dev/sdb", "dm.thinpooldev=docker-thinpool"},
			[]string{"dm.thinpooldev", "dm.datadev"},
		}, {
			[]string{"dm.directlvm_device=/dev/sdb", "dm.metadatadev=/dev/sdc"},
			[]string{"dm.directlvm_device", "dm.metadatadev"},
		}, {
			[]string{"dm.datadev=/dev/sdb", "dm.metadatadev=/dev//sdb"},
			[]string{"dm.datadev", "dm.metadatadev", "/dev/sdb"},
		}, {
			[]string{"dm.directlvm_device=/dev/sdb", "dm.thinp_percent=95"},
			[]string{"dm.thinp_percent", "dm.thinp_metapercent", "together"},
		}, {
			[]string{"dm.directlvm_device=/dev/sdb", "dm.thinp_percent=95", "dm.thinp_metapercent=6"},
			[]string{"dm.thinp_percent=95", "dm.thinp_metapercent=6", "101 %"},
		}, {
			[]string{"dm.thinp_percent=95", "dm.thinp_metapercent=1"},
			[]string{"dm.thinp_percent", "dm.directlvm_device"},
		}, {
			[]string{"dm.thinp_autoextend_threshold=80"}, []string{"dm.thinp_autoextend_threshold", "dm.directlvm_device"},
		}, {
			[]string{"dm.thinp_autoextend_percent=20"}, []string{"dm.thinp_autoextend_percent", "dm.directlvm_device"},
		}, {
			[]string{"dm.directlvm_device_force=true"}, []string{"dm.directlvm_device_force", "dm.directlvm_device"},
		},
	} {
		_, err := Parse(tc.given)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %q", tc.given, err)
		}
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error %v has no %q", tc.given, err, want)
			}
		}
	}
}

func TestKeyIsCleanedAndLastValueWins(t *testing.T) {
	got, err := Parse([]string{"dm.fs=ext4", " DM.Fs = xfs ", "dm.blkdiscard=true", "dm.blkdiscard=false"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Filesystem != "xfs" || got.BlkDiscard {
		t.Errorf("got %+v", got)
	}
}

func TestParseSharesNothingBetweenCalls(t *testing.T) {
	first, err := Parse([]string{"dm.mkfsarg=a", "dm.use_deferred_removal=true", "dm.basesize=1G"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), second); diff != "" {
		t.Errorf("after %+v, defaults changed (-want +got):\n%s", first, diff)
	}
}

var badValues = map[string]map[string]string{
	"dm.basesize": {
		"": "not a size", "x": "not a size", "10Q": "not a size", "-1G": "not a size", "10GG": "not a size",
		"0": "too small", "16383K": "too small", "100": "too small",
		"2048P": "too large", "1e30G": "too large", "99999999999999999999999": "too large",
	},
	"dm.loopdatasize":     {"": "not a size", "15M": "too small", "1e30P": "too large"},
	"dm.loopmetadatasize": {"abc": "not a size", "1M": "too small", "1e30P": "too large"},
	"dm.fs":               {"": "not a filesystem", "btrfs": "not a filesystem", "EXT4": "not a filesystem", "ext3": "not a filesystem"},
	"dm.mkfsarg":          {"": "empty", "-L\x00x": "control character", "a\nb": "control character"},
	"dm.mountopt":         {"": "empty", "noatime\x00": "control character", "no\tatime": "control character"},
	"dm.blocksize": {
		"": "not a size", "32K": "too small", "0": "too small", "100K": "not a multiple", "2G": "too large",
		"1048577K": "too large", "4G": "too large",
	},
	"dm.blkdiscard":               {"": "neither", "yes": "neither", "2": "neither"},
	"dm.override_udev_sync_check": {"": "neither", "on": "neither"},
	"dm.use_deferred_removal":     {"": "neither", "maybe": "neither"},
	"dm.use_deferred_deletion":    {"": "neither", "no": "neither"},
	"dm.min_free_space": {
		"": "no % sign", "10": "no % sign", "%": "not a whole number", "1.5%": "not a whole number", "x%": "not a whole number",
		"100%": "too large", "-1%": "too small", "99999999999999999999%": "too large", "10%%": "not a whole number",
	},
	"dm.xfs_nospace_max_retries": {
		"": "not a whole number", "-1": "too small", "1.5": "not a whole number", "2147483648": "too large",
		"-99999999999999999999": "too small",
	},
	"dm.error_if_no_space": {"": "neither", "queue": "neither"},
	"dm.thinpooldev": {
		"": "empty", "/dev/mapper/": "not the name", "a/b/c": "not the name", "/dev/docker": "not the name", "a b": "not the name",
		"/etc/passwd": "not the name", "-x": "not the name", "/docker/thinpool": "not the name", "a\nb": "not the name",
	},
	"dm.datadev":                    {"": "empty", "sdb": "not an absolute path", "/dev/s\x00": "control character"},
	"dm.metadatadev":                {"": "empty", "./sdb": "not an absolute path", "/dev/\nx": "control character"},
	"dm.directlvm_device":           {"": "empty", "sdb": "not an absolute path", "/dev/s\tb": "control character"},
	"dm.directlvm_device_force":     {"": "neither", "wipe": "neither"},
	"dm.thinp_percent":              {"": "not a whole number", "0": "too small", "100": "too large", "95%%": "not a whole number", "9.5": "not a whole number"},
	"dm.thinp_metapercent":          {"": "not a whole number", "0%": "too small", "100%": "too large"},
	"dm.thinp_autoextend_threshold": {"": "not a whole number", "0": "too small", "101": "too large", "-5": "too small"},
	"dm.thinp_autoextend_percent":   {"": "not a whole number", "0": "too small", "101%": "too large"},
	"dm.libdm_log_level":            {"": "not a whole number", "1": "too small", "8": "too large", "debug": "not a whole number"},
}

func TestBadValueIsNamedWithWhatIsAccepted(t *testing.T) {
	for _, opt := range Table() {
		if len(badValues[opt.Name]) == 0 {
			t.Errorf("%s: no bad value is tested", opt.Name)
		}
		for value, reason := range badValues[opt.Name] {
			_, err := Parse([]string{opt.Name + "=" + value})
			var bad *ValueError
			if !errors.As(err, &bad) {
				t.Errorf("%s=%q: error %v", opt.Name, value, err)
				continue
			}
			want := ValueError{Option: opt.Name, Value: value, Accepts: opt.Accepts, Reason: bad.Reason}
			if diff := cmp.Diff(want, *bad); diff != "" || !strings.Contains(bad.Reason, reason) {
				t.Errorf("%s=%q: reason %q, want %q in it; (-want +got):\n%s", opt.Name, value, bad.Reason, reason, diff)
			}
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("%s=%q: the error is not one clean line: %q", opt.Name, value, err)
			}
		}
	}
}

func TestErrorReadsAsOneSentence(t *testing.T) {
	_, err := Parse([]string{"dm.min_free_space=10"})
	const want = `dm.min_free_space="10": no % sign at its end; accepted: a whole number from 0 to 99 with a % sign`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

// Docker's driver had 23 options, and dm.error_if_no_space is ours.
func TestAllOptionsOfDockersDriverAreTaken(t *testing.T) {
	if len(Table()) != 24 {
		t.Errorf("there are %d options", len(Table()))
	}
}

func TestUnknownOptionIsRefusedByName(t *testing.T) {
	for given, name := range map[string]string{
		"dm.nosuch=1": "dm.nosuch", "foo=bar": "foo", "dm.=x": "dm.", "=x": "", "size=10G": "size", "basesize=10G": "basesize",
		"dm.no_warn_on_loop_devices=true": "dm.no_warn_on_loop_devices",
	} {
		_, err := Parse([]string{given})
		if !errors.Is(err, ErrUnknownOption) || !strings.Contains(err.Error(), `"`+name+`"`) {
			t.Errorf("%q: error %v", given, err)
		}
	}
}

func TestOptionWithoutValueIsRefused(t *testing.T) {
	for _, given := range []string{"", "dm.fs", "dm.basesize 10G"} {
		if _, err := Parse([]string{given}); err == nil || !strings.Contains(err.Error(), "want key=value") {
			t.Errorf("%q: error %v", given, err)
		}
	}
}
