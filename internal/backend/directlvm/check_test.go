package directlvm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPoolThatCannotBeWrittenIsRefusedWithTheNextStep(t *testing.T) {
	ours := owner{volume: automaticPool}
	for name, tc := range map[string]struct {
		status string
		owner  owner
		want   error
		words  []string
	}{
		"needs check":   {"5 10/1024 3/640 - rw discard_passdown queue_if_no_space needs_check 256", ours, ErrUnhealthy, []string{"needs a check", "dmthin repair", "lvconvert --repair docker/thinpool"}},
		"read-only":     {"5 10/1024 3/640 - ro discard_passdown queue_if_no_space - 256", ours, ErrUnhealthy, []string{"read-only", "lvextend --poolmetadatasize"}},
		"not LVM's":     {"5 10/1024 3/640 - ro discard_passdown queue_if_no_space - 256", owner{}, ErrUnhealthy, []string{"read-only", "dmthin repair"}},
		"failed":        {"Fail", ours, ErrUnhealthy, []string{"has failed", "kernel log"}},
		"no metadata":   {"Error", ours, ErrUnhealthy, []string{"has failed"}},
		"full":          {"5 10/1024 640/640 - out_of_data_space discard_passdown queue_if_no_space - 256", ours, nil, nil},
		"with LVM's":    {"5 10/1024 3/640 - rw discard_passdown queue_if_no_space - 256", owner{automaticPool, []string{"a", "b"}}, ErrInUse, []string{"a, b"}},
		"before 4.10":   {"5 10/1024 3/640 - rw discard_passdown queue_if_no_space", ours, nil, nil},
		"unknown words": {"5 10/1024 3/640 - odd discard_passdown queue_if_no_space", ours, ErrUnhealthy, []string{"odd"}},
	} {
		var p kernelPool
		if err := p.readStatus(tc.status); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err := check("docker-thinpool", p, tc.owner, true)
		if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		for _, w := range tc.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q lacks %q", name, err, w)
			}
		}
	}
}

func TestOddStatusIsAnError(t *testing.T) {
	for _, status := range []string{"", "1 2 3", "x 10/1024 3/640 - rw", "5 10/1024 x/640 - rw"} {
		p := kernelPool{}
		if err := p.readStatus(status); err == nil && p.mode == "" {
			t.Errorf("%q was accepted: %+v", status, p)
		}
	}
	for _, table := range []string{"", "1:2 3:4", "1:2 3:4 x"} {
		if err := (&kernelPool{}).readTable(table); err == nil {
			t.Errorf("%q was accepted", table)
		}
	}
}

func TestNamesOfThinPoolsAreRead(t *testing.T) {
	for name, want := range map[string]struct {
		dm string
		v  volume
	}{
		"docker-thinpool":             {"docker-thinpool", volume{"docker", "thinpool"}},
		"/dev/mapper/docker-thinpool": {"docker-thinpool", volume{"docker", "thinpool"}},
		"/dev/my-vg/tp":               {"my--vg-tp", volume{"my-vg", "tp"}},
		"my-vg/tp":                    {"my--vg-tp", volume{"my-vg", "tp"}},
		"byhand":                      {"byhand", volume{}},
		"a-b-c":                       {"a-b-c", volume{}},
	} {
		dm, v := parseName(name)
		if dm != want.dm || v != want.v {
			t.Errorf("%s: %s, %v", name, dm, v)
		}
	}
}

func TestSetupConfigIsDockersAndDefaultsSpelledOutAreNoChange(t *testing.T) {
	cfg := Config{StateDir: t.TempDir()}
	if _, ok, err := cfg.readSetupConfig(); ok || err != nil {
		t.Errorf("none is there: %v, %v", ok, err)
	}
	given := Setup{Device: "/dev/sdb", DataPercent: 90, MetadataPercent: 2}
	if err := cfg.writeSetupConfig(given.config()); err != nil {
		t.Fatal(err)
	}
	stored, ok, err := cfg.readSetupConfig()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(setupConfig{"/dev/sdb", 90, 2, 0, 0}, stored); diff != "" {
		t.Error(diff)
	}
	same := given
	same.AutoextendThreshold, same.AutoextendPercent, same.Force = 80, 20, true
	if err := stored.compare(same.config(), nil); err != nil {
		t.Error(err)
	}
	same.AutoextendPercent = 21
	err = stored.compare(same.config(), nil)
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "dm.thinp_autoextend_percent") || !strings.Contains(err.Error(), "was 20 and is 21") {
		t.Error(err)
	}
}
