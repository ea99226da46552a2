package takeover

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// onThinPool moves the host's pool to where the kernel keeps one of LVM's.
func (h *dockerHost) onThinPool(t *testing.T, settings string) {
	t.Helper()
	write(t, filepath.Join(h.sys, "block/dm-7/dm/name"), "docker-thinpool\n")
	for name, device := range map[string]string{"metadata": "dm-5", "data": "dm-6"} {
		write(t, filepath.Join(h.sys, "block/dm-7/slaves", device), "")
		if err := os.MkdirAll(h.dev, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(h.home("devicemapper", name), filepath.Join(h.dev, device)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(h.home("devicemapper")); err != nil {
		t.Fatal(err)
	}
	write(t, h.config, settings)
}

func TestPoolsOfLVMsAreFound(t *testing.T) {
	for settings, kind := range map[string]PoolKind{
		`{"storage-opts":["dm.thinpooldev=/dev/mapper/docker-thinpool"]}`: ManualLVM,
		`{"storage-opts":["dm.thinpooldev=docker/thinpool"]}`:             ManualLVM,
		`{"storage-opts":["dm.directlvm_device=/dev/sdb"]}`:               AutomaticLVM,
	} {
		h := newDockerHost(t)
		h.onThinPool(t, settings)
		before := h.files(t)
		adopt, undo, _ := operations(t)
		if p := h.do(t, adopt); p.Pool != kind || p.PoolAt != "docker-thinpool" || p.Devices != 5 || p.Filesystem != "ext4" {
			t.Errorf("%s: %+v", settings, p)
		}
		h.do(t, undo)
		requireSame(t, settings, before, h.files(t))
	}
}

// As cciss disks have.
func TestAPoolOnADiskWithASlashInItsNameIsFound(t *testing.T) {
	h := newDockerHost(t)
	h.onThinPool(t, `{"storage-opts":["dm.thinpooldev=docker-thinpool"]}`)
	slaves := filepath.Join(h.sys, "block/dm-7/slaves")
	if err := os.Rename(filepath.Join(slaves, "dm-6"), filepath.Join(slaves, "cciss!c0d0")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.dev, "cciss"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(h.dev, "dm-6"), filepath.Join(h.dev, "cciss/c0d0")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.begin(t).PlanAdopt(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// Docker's driver doesn't start with one of them off alone; dmthin takes the
// other for off too.
func TestDeferredDeletionGoesOffWithRemovalForDocker(t *testing.T) {
	const off = "dm.use_deferred_removal=false"
	h := newDockerHost(t)
	adopt, _, release := operations(t)
	h.do(t, adopt)
	write(t, h.config, `{"storage-driver":"dmthin","experimental":true,"storage-opts":["`+off+`"]}`)
	p := h.do(t, release)
	if got := h.settings(t).StorageOpts; !slices.Equal(got, []string{off, "dm.use_deferred_deletion=false"}) {
		t.Errorf("storage options %q, notes %q", got, p.Notes)
	}
}

func TestAThinPoolInUseIsRefused(t *testing.T) {
	h := newDockerHost(t)
	h.onThinPool(t, `{"storage-opts":["dm.thinpooldev=docker-thinpool"]}`)
	write(t, filepath.Join(h.sys, "block/dm-7/holders/dm-9"), "")
	adopt, _, _ := operations(t)
	if _, err := h.try(t, adopt, nil, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("adopt: %v", err)
	}
}

// Docker's driver would begin an empty pool on loop devices there, and dmthin
// would refuse.
func TestOptionsOfAutomaticDirectLVMComeFromItsSetUp(t *testing.T) {
	h := newDockerHost(t)
	h.onThinPool(t, `{"storage-opts":["dm.basesize=1G"]}`)
	write(t, h.home(setupFile), `{"Device":"/dev/sdb","ThinpPercent":90,"ThinpMetaPercent":2,"AutoExtendPercent":0,"AutoExtendThreshold":0}`)
	adopt, _, _ := operations(t)
	h.do(t, adopt)
	want := []string{"dm.basesize=1G", "dm.directlvm_device=/dev/sdb", "dm.thinp_metapercent=2", "dm.thinp_percent=90"}
	if got := h.settings(t).StorageOpts; !slices.Equal(got, want) {
		t.Errorf("storage options %q", got)
	}
}

func TestBlockDevicesAreFound(t *testing.T) {
	h := newDockerHost(t)
	data := filepath.Join(h.dev, "sdb")
	if err := os.MkdirAll(h.dev, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.home("devicemapper", "data"), data); err != nil {
		t.Fatal(err)
	}
	write(t, h.config, `{"storage-opts":["dm.datadev=`+data+`"]}`)
	adopt, _, _ := operations(t)
	p := h.do(t, adopt)
	if p.Pool != BlockDevices || p.PoolAt != data || !strings.Contains(strings.Join(p.Notes, "\n"), "dm.datadev stays, but is deprecated") {
		t.Errorf("plan: %+v", p)
	}
}

func TestAPoolThatNoOptionNamesIsNotGuessed(t *testing.T) {
	h := newDockerHost(t)
	if err := os.RemoveAll(h.home("devicemapper")); err != nil {
		t.Fatal(err)
	}
	adopt, _, _ := operations(t)
	if _, err := h.try(t, adopt, nil, nil); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "--storage-opt") {
		t.Errorf("adopt: %v", err)
	}
}

func TestOptionsOnDockerdsCommandLineComeIntoItsSettings(t *testing.T) {
	h := newDockerHost(t)
	write(t, h.config, `{"debug":true}`)
	host := h.host()
	host.StorageOpts = []string{"dm.basesize=1G"}
	tk, err := open(host, h.folders)
	if err != nil {
		t.Fatal(err)
	}
	defer tk.Close()
	p, err := tk.PlanAdopt(t.Context(), nil)
	if err != nil || !strings.Contains(strings.Join(p.Notes, "\n"), "command line") {
		t.Fatalf("plan: %q, %v", p.Notes, err)
	}
	if err := tk.Apply(p, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if got := h.settings(t); !slices.Equal(got.StorageOpts, []string{"dm.basesize=1G"}) || !got.Debug {
		t.Errorf("daemon.json: %+v", got)
	}
}

// Without the option the loop files of an earlier time would be taken.
func TestAnOptionThatNamesAPoolInAWayNotKnownIsNotDropped(t *testing.T) {
	for _, opt := range []string{"dm.thinpooldev=/dev/mapper/docker:pool", "dm.datadev=sdb", "dm.directlvm_device="} {
		h := newDockerHost(t)
		write(t, h.config, `{"storage-opts":["`+opt+`"]}`)
		_, err := h.begin(t).PlanAdopt(t.Context(), nil)
		if key, _, _ := strings.Cut(opt, "="); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", opt, err)
		}
	}
}

func TestOptionsThatDoNotApplyGoAndAreListed(t *testing.T) {
	for _, c := range []struct{ opt, after, note string }{
		{"dm.basesize=2G", "dm.basesize=2G", ""},
		{"dm.thinpooldev=docker/thinpool", "dm.thinpooldev=/dev/mapper/docker-thinpool", "no other form"},
		{"dm.thinpooldev=/dev/mapper/docker-thinpool", "dm.thinpooldev=/dev/mapper/docker-thinpool", ""},
		{"dm.thinpooldev=/dev/a-b/pool", "dm.thinpooldev=/dev/mapper/a--b-pool", "no other form"},
		{"dm.error_if_no_space=false", "", "doesn't know it"},
	} {
		if after, note := translateOption(c.opt, BuiltIn); after != c.after || !strings.Contains(note, c.note) || c.note == "" && note != "" {
			t.Errorf("%s becomes %q, %q", c.opt, after, note)
		}
	}
	h := newDockerHost(t)
	write(t, h.config, `{"storage-opts":["dm.basesize=1G","dm.libdm_log_level=1","dm.unknown=1"]}`)
	p, err := h.begin(t).PlanAdopt(t.Context(), nil)
	notes := strings.Join(p.Notes, "\n")
	if err != nil || !strings.Contains(notes, "dm.libdm_log_level goes") || !strings.Contains(notes, "dm.unknown goes") {
		t.Errorf("plan: %q, %v", notes, err)
	}
	if *p.journal.After != `{"storage-opts":["dm.basesize=1G"],"storage-driver": "dmthin","experimental": true}` {
		t.Errorf("daemon.json: %s", *p.journal.After)
	}
}
