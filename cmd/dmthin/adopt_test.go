package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/takeover"
)

func TestTakeOverTablesShowWhatIsWrongAndWhatIsNext(t *testing.T) {
	plan := takeover.Plan{
		Root: "/var/lib/docker", Docker: "20.10.24+dfsg1", Pool: takeover.LoopLVM, PoolAt: "/var/lib/docker/devicemapper/devicemapper/data",
		Filesystem: "ext4", TransactionID: 22, Layers: 10, Devices: 10, Images: 3, Containers: 1,
		Notes: []string{"1 removed layers still have their blocks"}, Steps: []string{"image/devicemapper becomes image/dmthin", "devicemapper becomes dmthin"},
	}
	sick := plan
	sick.Findings = []takeover.Finding{{Name: "device-17", Message: "it is in no record"}, {Name: "pool", Message: "it needs a check", Fatal: true}}
	for golden, r := range map[string]takeoverReport{
		"adopt-plan.txt":   takeoverOf("adopt", plan),
		"adopt-sick.txt":   takeoverOf("adopt", sick),
		"adopt-done.txt":   done(takeoverOf("adopt", plan)),
		"release-done.txt": done(takeoverOf("release", plan)),
		"adopt-resume.txt": takeoverOf("undo", takeover.Plan{Root: "/var/lib/docker", Resumed: true, Steps: plan.Steps}),
		"adopt-commit.txt": done(takeoverOf("commit", takeover.Plan{Root: "/var/lib/docker"})),
	} {
		var out bytes.Buffer
		a := newApp(&out, &out, os.Getenv)
		if err := a.print(r, func(c *columns) { takeoverTable(c, r) }); err != nil {
			t.Fatal(err)
		}
		requireGolden(t, golden, out.String())
	}
}

func done(r takeoverReport) takeoverReport {
	r.Done = true
	return r
}

func TestTakeOverRefusesWhereThereIsNothing(t *testing.T) {
	root := t.TempDir()
	config := filepath.Join(root, "daemon.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"adopt"}, {"adopt", "--undo"}, {"adopt", "--commit"}, {"adopt", "--dry-run"}, {"release"}} {
		got := dmthin(t, append(args, "--data-root", root, "--config-file", config)...)
		if got.code != exitRefused || !strings.Contains(got.errOut, root) {
			t.Errorf("%q: exit %d, %s", args, got.code, got.errOut)
		}
	}
}
