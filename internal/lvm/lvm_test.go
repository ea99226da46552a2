package lvm

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// said is what LVM and wipefs print, word for word.
var said = map[string]error{
	"A volume group called docker already exists.":                                                    ErrExists,
	`Logical Volume "thinpool" already exists in volume group "docker"`:                               ErrExists,
	"Volume group \"docker\" has insufficient free space (5 extents): 100 required.":                  ErrNoSpace,
	"Insufficient free space: 2 extents needed, but only 0 available":                                 ErrNoSpace,
	"Can't open /dev/sdb exclusively.  Mounted filesystem?":                                           ErrInUse,
	"wipefs: error: /dev/sdb: probing initialization failed: Device or resource busy":                 ErrInUse,
	"Logical volume docker/thinpool in use.":                                                          ErrInUse,
	"Check of pool docker/thinpool failed (status:1). Manual repair required!":                        ErrNeedsRepair,
	"Refusing activation of partial LV docker/thinpool.  Use '--activationmode partial' to override.": ErrMissingPV,
	"Cannot change VG docker while PVs are missing.":                                                  ErrMissingPV,
	`Volume group "docker" not found; Cannot process volume group docker`:                             ErrNotFound,
	`Failed to find logical volume "docker/thinpool"`:                                                 ErrNotFound,
	"/run/lock/lvm/P_global:aux: open failed: Permission denied":                                      fs.ErrPermission,
	`Volume group "docker" is exported`:                                                               nil,
	"":                                                                                                nil,
}

func TestComplaintsAreUnderstood(t *testing.T) {
	for text, want := range said {
		if got := classify(text); !errors.Is(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestComplaintIsOneLineOfFaults(t *testing.T) {
	got := complaint([]byte("File descriptor 3 (pipe:[1]) leaked on lvm invocation.\n  WARNING: Not using device /dev/sdc.\n  Can't open /dev/sdb\n\n  Can't open /dev/sdb\n  Run  again.\n"))
	if want := "Can't open /dev/sdb; Run again."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := complaint([]byte("  WARNING: all there is\n")); got != "WARNING: all there is" {
		t.Errorf("%q", got)
	}
}

func TestErrorNamesCommandTargetComplaintAndNextStep(t *testing.T) {
	err := &Error{Command: CreatePV("/dev/sdb", ""), Said: "Can't open /dev/sdb exclusively", Kind: ErrInUse, Err: errString("exit status 5")}
	want := "pvcreate /dev/sdb: exit status 5: Can't open /dev/sdb exclusively; see who has it with lsblk /dev/sdb and fuser -v /dev/sdb"
	if err.Error() != want {
		t.Errorf("%s\nwant %s", err, want)
	}
	missing := &MissingToolError{"thin_check"}
	if !strings.Contains(missing.Error(), "thin-provisioning-tools") {
		t.Error(missing)
	}
}

type errString string

func (e errString) Error() string { return string(e) }

func TestNamesOfVolumesAndDevicesConvertBothWays(t *testing.T) {
	for name, want := range map[string][2]string{
		"docker-thinpool": {"docker", "thinpool"}, "my--vg-my--lv": {"my-vg", "my-lv"}, "a----b-c": {"a--b", "c"},
	} {
		vg, lv, ok := SplitDMName(name)
		if !ok || vg != want[0] || lv != want[1] || DMName(vg, lv) != name {
			t.Errorf("%s: %s/%s, %v, back %s", name, vg, lv, ok, DMName(vg, lv))
		}
	}
	for _, name := range []string{"", "nothing", "a-b-c", "-a", "a-", "a--b", "---"} {
		if vg, lv, ok := SplitDMName(name); ok {
			t.Errorf("%q is taken for %s/%s", name, vg, lv)
		}
	}
}

func TestCommandsReadAsTyped(t *testing.T) {
	for want, c := range map[string]Command{
		"pvcreate --uuid u --norestorefile /dev/sdb":              CreatePV("/dev/sdb", "u"),
		"vgcreate --addtag dmthin=4f docker /dev/sdb /dev/sdc":    CreateVG("docker", "dmthin=4f", "/dev/sdb", "/dev/sdc"),
		"lvcreate --yes --wipesignatures y -n tp docker -l 95%VG": CreateLV("docker", "tp", "95%VG"),
		"lvcreate --yes --wipesignatures y -n tp docker -L 3G":    CreateLVOfSize("docker", "tp", 3<<30),
		"lvextend -L +1536K docker/tp":                            ExtendLV("docker", "tp", 1536<<10),
		"wipefs --all '/dev/a b'":                                 WipeSignatures("/dev/a b"),
		`wipefs --all '/dev/it'\''s'`:                             WipeSignatures("/dev/it's"),
		"lvextend --config 'activation{thin_pool_autoextend_threshold=80 thin_pool_autoextend_percent=20}' --use-policies docker/tp": withPolicy(),
	} {
		if got := c.String(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func withPolicy() Command {
	c := UsePolicies("docker", "tp")
	c.settings = Policy{80, 20}.settings()
	return c
}

func TestReportIsRead(t *testing.T) {
	const text = `  {
      "report": [
          {
              "lv": [
                  {"lv_name":"thinpool", "vg_name":"docker", "lv_uuid":"u", "lv_tags":"a,dmthin=4f", "segtype":"thin-pool", "lv_size":"33554432", "lv_active":"active", "pool_lv":"", "lv_metadata_size":"4194304", "chunk_size":"524288", "lv_profile":"docker-thinpool", "seg_monitor":"monitored", "thin_count":"0", "data_percent":"12.50", "metadata_percent":""}
              ]
          }
      ]
      ,
      "log": [
      ]
  }`
	rows, err := parseReport[LogicalVolume]([]byte(text))
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	v := rows[0]
	if v.Name != "thinpool" || len(v.Tags) != 2 || v.Size != 32<<20 || v.DataPercent != 12.5 || v.MetadataPercent != -1 || v.ThinCount != 0 {
		t.Errorf("%+v", v)
	}
	pvs, err := parseReport[PhysicalVolume]([]byte(`{"report":[{"pv":[{"pv_name":"[unknown]","pv_size":"0","pv_missing":"missing"},{"pv_name":"/dev/sdb","pv_missing":""}]}]}`))
	if err != nil || !bool(pvs[0].Missing) || bool(pvs[1].Missing) {
		t.Errorf("%+v, %v", pvs, err)
	}
	for _, bad := range []string{"", "{", `{"report":[{"lv":[{"lv_size":"1.5T"}]}]}`} {
		if _, err := parseReport[LogicalVolume]([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPolicyIsReadFromProfileAndSettings(t *testing.T) {
	l := newIn(Config{Dir: t.TempDir()}, "/nonexistent")
	want := Policy{Threshold: 70, Percent: 15}
	if _, known, err := l.readProfile("docker-thinpool", Policy{100, 20}); known || err != nil {
		t.Errorf("a profile that is not there: %v, %v", known, err)
	}
	if err := l.WriteProfile("docker-thinpool", want); err != nil {
		t.Fatal(err)
	}
	if got, known, err := l.readProfile("docker-thinpool", Policy{100, 20}); got != want || !known || err != nil {
		t.Errorf("%+v, %v, %v", got, known, err)
	}
	if got := (Policy{100, 20}).merge([]byte("# thin_pool_autoextend_threshold = 50\n\tthin_pool_autoextend_percent = 5\n")); got != (Policy{100, 5}) {
		t.Errorf("%+v", got)
	}
	if !(Policy{Threshold: 100}).Disabled() || (Policy{Threshold: 99}).Disabled() {
		t.Error("100 is for never")
	}
}

func TestSettingsTakeThePlaceOfTheHosts(t *testing.T) {
	dir := t.TempDir()
	settings, err := newIn(Config{Dir: dir}, "/nonexistent").settings()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{dir + "/archive", dir + "/backup", dir + "/profile", "/run/lock/lvm", "use_devicesfile=0"} {
		if !strings.Contains(settings, want) {
			t.Errorf("%s lacks %s", settings, want)
		}
	}
	host := t.TempDir()
	if err := replaceFile(host+"/lvm.conf", ""); err != nil {
		t.Fatal(err)
	}
	l := newIn(Config{Dir: dir}, host)
	if settings, err := l.settings(); settings != "" || err != nil || l.ProfileDir() != host+"/profile" {
		t.Errorf("with the host's settings: %q, %v, profiles in %s", settings, err, l.ProfileDir())
	}
}

func TestUUIDHasLVMsForm(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewUUID()
		groups := strings.Split(id, "-")
		if len(groups) != 7 || len(groups[0]) != 6 || len(groups[6]) != 6 || len(id) != 38 || seen[id] {
			t.Fatalf("%q", id)
		}
		for _, g := range groups[1:6] {
			if len(g) != 4 {
				t.Fatalf("%q", id)
			}
		}
		seen[id] = true
	}
}
