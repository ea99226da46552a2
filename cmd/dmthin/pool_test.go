package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// fakePools plans without looking at any disk, and does nothing.
type fakePools struct {
	create  lvmpool.CreateRequest
	extend  lvmpool.ExtendRequest
	done    []string
	destroy bool
	healthy bool
	failure error // of the second step
}

func (f *fakePools) plan(devices []string, vg, pool string) lvmpool.Plan {
	p := lvmpool.Plan{
		VolumeGroup: vg, Pool: pool, DataSize: 100 << 30, MetadataSize: 1 << 30, SpareSize: 1 << 30, FreeSize: 3 << 30, ChunkSize: 512 << 10,
	}
	for _, d := range devices {
		c := lvmpool.Candidate{Device: d, Size: 105 << 30}
		if f.destroy {
			c.Destroys = []string{"a GPT partition table"}
		}
		p.Disks = append(p.Disks, c)
	}
	for i, s := range []string{"pvcreate " + strings.Join(devices, " "), "vgcreate " + vg} {
		p.Steps = append(p.Steps, lvmpool.NewStep("do as it says", s, func(context.Context) error {
			f.done = append(f.done, s)
			if i == 1 {
				return f.failure
			}
			return nil
		}))
	}
	return p
}

func (f *fakePools) PlanCreate(_ context.Context, r lvmpool.CreateRequest) (lvmpool.Plan, error) {
	f.create = r
	return f.plan(r.Devices, r.VolumeGroup, r.Pool), nil
}

func (f *fakePools) PlanExtend(_ context.Context, r lvmpool.ExtendRequest) (lvmpool.Plan, error) {
	f.extend = r
	return f.plan(r.Devices, r.VolumeGroup, r.Pool), nil
}

func (f *fakePools) Inspect(_ context.Context, vg, pool string) (lvmpool.Report, error) {
	r := lvmpool.Report{
		VolumeGroup: vg, Pool: pool, Device: "/dev/mapper/docker-thinpool", Active: true,
		Disks: []lvmpool.DiskReport{
			{Device: "/dev/sdb", UUID: "iOYbKV-1lE2-bsaM-2vWz-Gnmd-xdOR-ESFwDk", Size: 107 << 30, Free: 3 << 30},
			{Device: "[unknown]", UUID: "BcOiUK-pedO-07us-Lji2-nWTZ-wkG9-3BCX8b", Missing: true},
		},
		DataSize: 100 << 30, DataPercent: 12.5, MetadataSize: 1 << 30, MetadataPercent: 0.4, ChunkSize: 512 << 10, FreeSize: 3 << 30,
		Profile: "docker-thinpool", ExtendThreshold: 80, ExtendPercent: 20,
		Problems: []string{"the disk with physical volume BcOiUK… is missing: attach it"},
	}
	if f.healthy {
		r.Problems = nil
	}
	return r, nil
}

// pool runs a command with an answer typed in.
func (f *fakePools) run(t *testing.T, answer string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	a := newApp(&out, &errOut, func(string) string { return "" })
	a.pools = f
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetIn(strings.NewReader(answer))
	root.SetOut(&out)
	root.SetErr(&errOut)
	code := a.report(t.Context(), root.ExecuteContext(t.Context()))
	return result{code, out.String(), errOut.String()}
}

func TestPoolTablesShowWhatAnOperatorLooksFor(t *testing.T) {
	for golden, args := range map[string][]string{
		"pool-plan.txt":   {"pool", "create", "--device", "/dev/sdb", "--device", "/dev/sdc", "--dry-run"},
		"pool-create.txt": {"pool", "create", "--device", "/dev/sdb", "--yes"},
		"pool-extend.txt": {"pool", "extend", "--device", "/dev/sdd", "--yes"},
		"pool-status.txt": {"pool", "status"},
	} {
		got := (&fakePools{}).run(t, "", args...)
		if got.code != exitOK {
			t.Errorf("%q: exit %d, %s", args, got.code, got.errOut)
		}
		requireGolden(t, golden, got.out)
	}
}

func TestEveryExampleOfThePoolCommandsWorks(t *testing.T) {
	tree := newPoolCommand(newApp(nil, nil, nil))
	for _, cmd := range append(tree.Commands(), tree) {
		examples := exampleCommand.FindAllStringSubmatch(cmd.Example, -1)
		if len(examples) == 0 {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, e := range examples {
			if got := (&fakePools{}).run(t, "", strings.Fields(e[1])...); got.code != exitOK {
				t.Errorf("example %q: exit %d, %s", e[0], got.code, got.errOut)
			}
		}
	}
}

func TestNothingIsChangedWithoutAYes(t *testing.T) {
	for answer, want := range map[string]bool{"": false, "\n": false, "n\n": false, "yess\n": false, "y\n": true, "YES\n": true} {
		f := &fakePools{destroy: true}
		got := f.run(t, answer, "pool", "create", "--device", "/dev/sdb", "--wipe")
		if done := len(f.done) > 0; done != want || (got.code == exitOK) != want {
			t.Errorf("answer %q: done %v, exit %d", answer, f.done, got.code)
		}
		if !strings.Contains(got.errOut, "/dev/sdb: a GPT partition table") || !strings.Contains(got.errOut, "pvcreate /dev/sdb") {
			t.Errorf("the question doesn't say what is lost: %s", got.errOut)
		}
	}
	f := &fakePools{}
	if got := f.run(t, "y\n", "pool", "create", "--device", "/dev/sdb", "--dry-run"); len(f.done) > 0 || got.code != exitOK {
		t.Errorf("a dry run did %q, exit %d", f.done, got.code)
	}
}

func TestAQuestionCanBeInterrupted(t *testing.T) {
	var out, errOut bytes.Buffer
	a := newApp(&out, &errOut, func(string) string { return "" })
	f := &fakePools{}
	a.pools = f
	root := newRootCommand(a)
	root.SetArgs([]string{"pool", "create", "--device", "/dev/sdb"})
	answer, typist := io.Pipe() // who types nothing
	root.SetIn(answer)
	root.SetOut(&out)
	root.SetErr(&errOut)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	code := a.report(ctx, root.ExecuteContext(ctx))
	if code != exitInterrupted || len(f.done) > 0 {
		t.Errorf("exit %d, done %v, %s", code, f.done, errOut.String())
	}
	if err := typist.Close(); err != nil {
		t.Error(err)
	}
}

func TestCreateFlagsReachThePlan(t *testing.T) {
	f := &fakePools{}
	f.run(t, "", "pool", "create", "--device", "/dev/sdb", "--device", "/dev/sdc", "--vg", "vg", "--pool", "tp", "--chunk-size", "64K",
		"--size", "10G", "--meta-percent", "2", "--extend-threshold", "70", "--extend-percent", "10", "--wipe", "--yes")
	want := lvmpool.CreateRequest{
		Devices: []string{"/dev/sdb", "/dev/sdc"}, VolumeGroup: "vg", Pool: "tp", ChunkSize: 64 << 10, DataPercent: 95, MetadataPercent: 2,
		Size: 10 << 30, Policy: lvm.Policy{Threshold: 70, Percent: 10}, Wipe: true,
	}
	if diff := cmp.Diff(want, f.create); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.run(t, "", "pool", "extend", "--device", "/dev/sdb", "--size", "1G", "--vg", "vg", "--yes")
	extend := lvmpool.ExtendRequest{Devices: []string{"/dev/sdb"}, VolumeGroup: "vg", Pool: "thinpool", Size: 1 << 30}
	if diff := cmp.Diff(extend, f.extend); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPoolFlagsOutOfRangeAreWrongUsage(t *testing.T) {
	for _, args := range []string{
		"create", "create --device /dev/sdb --chunk-size 100K", "create --device /dev/sdb --chunk-size 2G", "create --device /dev/sdb --size 0",
		"create --device /dev/sdb --data-percent 0", "create --device /dev/sdb --data-percent 99 --meta-percent 2",
		"create --device /dev/sdb --size 1G --data-percent 50", "create --device /dev/sdb --extend-threshold 101", "extend", "status x",
	} {
		f := &fakePools{}
		var out, errOut bytes.Buffer
		a := newApp(&out, &errOut, func(string) string { return "" })
		a.pools = f
		if code := a.run(t.Context(), append([]string{"pool"}, strings.Fields(args)...)); code != exitUsage {
			t.Errorf("pool %s: exit %d, %s", args, code, errOut.String())
		}
	}
}

func TestAFailedStepIsNamedAndTheRestLeftAlone(t *testing.T) {
	f := &fakePools{failure: errors.New("no space")}
	got := f.run(t, "", "pool", "create", "--device", "/dev/sdb", "--yes")
	for _, want := range []string{"step 2 of 2", "no space", "run the same command again"} {
		if got.code != exitFailure || !strings.Contains(got.errOut, want) {
			t.Errorf("exit %d, %q lacks %q", got.code, got.errOut, want)
		}
	}
}

func TestPoolJSONHasThePlanAndTheOptions(t *testing.T) {
	got := (&fakePools{}).run(t, "", "pool", "create", "--device", "/dev/sdb", "--yes", "--format", "json")
	var r poolResult
	if err := json.Unmarshal([]byte(got.out), &r); err != nil {
		t.Fatalf("%v in %q", err, got.out)
	}
	if !r.Done || len(r.Plan.Steps) != 2 || !slices.Equal(r.StorageOptions, []string{"dm.thinpooldev=/dev/mapper/docker-thinpool"}) {
		t.Errorf("%+v", r)
	}
}

// A script that goes through a list fails on null.
func TestPoolJSONHasListsWhereTheyAreEmpty(t *testing.T) {
	for _, args := range []string{"create --device /dev/sdb --dry-run", "extend --size 1G --dry-run", "status"} {
		got := (&fakePools{healthy: true}).run(t, "", append(strings.Fields("pool --format json"), strings.Fields(args)...)...)
		if got.code != exitOK || strings.Contains(got.out, "null") {
			t.Errorf("pool %s: exit %d, %s", args, got.code, got.out)
		}
	}
}

func TestManualNamesEveryPoolCommandAndFlag(t *testing.T) {
	raw, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(raw)
	tree := newPoolCommand(newApp(nil, nil, nil))
	for _, cmd := range append(tree.Commands(), tree) {
		if cmd != tree && !strings.Contains(manual, "`dmthin pool "+cmd.Name()+"`") {
			t.Errorf("docs/cli.md lacks dmthin pool %s", cmd.Name())
		}
		requireFlags(t, manual, cmd)
	}
}

func requireFlags(t *testing.T, manual string, cmd *cobra.Command) {
	t.Helper()
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !strings.Contains(manual, "`--"+f.Name) {
			t.Errorf("docs/cli.md lacks --%s of %s", f.Name, cmd.CommandPath())
		}
	})
}
