package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/filesystem"
)

// docker makes a data-root whose files name layers, with d's state in it.
func (d *daemon) docker(t *testing.T, named ...string) (state string) {
	t.Helper()
	root := t.TempDir()
	for n, id := range named {
		dir := filepath.Join(root, "image/dmthin/layerdb/sha256", fmt.Sprint(n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cache-id"), []byte(id), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state = filepath.Join(root, "dmthin")
	if err := os.Symlink(d.start(t), state); err != nil {
		t.Fatal(err)
	}
	return state
}

func sickCheck() admin.CheckReport {
	return admin.CheckReport{
		Online: true, TransactionID: 42, Layers: 5, Devices: 5, MetadataChecked: true, FilesystemsChecked: 2,
		Findings: []admin.Finding{
			{Severity: admin.SeverityError, Kind: "lost_device", Subject: imageID, Message: "device 2 is not in the pool"},
			{Severity: admin.SeverityWarning, Kind: "leaked_device", Subject: "device 17", Message: "it is in no record"},
		},
	}
}

func TestMaintenanceTablesShowWhatWasDone(t *testing.T) {
	tests := []struct {
		golden string
		setUp  func(*daemon)
		args   []string
		code   int
	}{
		{"check.txt", func(d *daemon) {
			d.check = admin.CheckReport{Online: true, Layers: 5, Devices: 5, MetadataChecked: true}
		}, []string{"check"}, exitOK},
		{"check-sick.txt", func(d *daemon) { d.check = sickCheck() }, []string{"check", "--filesystems"}, exitFound},
		{"gc.txt", func(d *daemon) { d.leaked = []uint32{17} }, []string{"gc"}, exitOK},
		{"gc-delete.txt", func(d *daemon) { d.young = map[string]bool{oddID: true} }, []string{"gc", "--delete", "--yes"}, exitOK},
		{"trim.txt", func(d *daemon) {
			d.trim = admin.TrimReport{Layers: []admin.Trimmed{{Layer: containerID, Bytes: 4 << 30}}, Freed: 1 << 30, PoolBytes: 5 << 30}
		}, []string{"trim", "--all", "--pool"}, exitOK},
		{"resize.txt", func(*daemon) {}, []string{"resize", "200GB"}, exitOK},
		{"snap.txt", func(*daemon) {}, []string{"snap", "mine", imageID}, exitOK},
		{"remove.txt", func(*daemon) {}, []string{"remove", oddID[:6], "--yes"}, exitOK},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			d := readyDaemon()
			tt.setUp(d)
			state := d.docker(t, imageID, containerID, containerID+"-init")
			got := dmthin(t, append(tt.args, "--state", state)...)
			if got.code != tt.code || got.errOut != "" {
				t.Fatalf("exit %d, stderr %q; want %d and none", got.code, got.errOut, tt.code)
			}
			requireGolden(t, tt.golden, got.out)
		})
	}
}

func TestStatusShowsHowThePoolGrows(t *testing.T) {
	d := readyDaemon()
	last := readyStatus().StartedAt
	d.status.Pool.Growth = admin.Growth{
		Automatic: true, Threshold: 80, DataLevel: admin.LevelLow, MetadataLevel: admin.LevelOK,
		Extensions: 2, LastExtension: &last, Failure: "volume group docker has no free space",
	}
	requireGolden(t, "status-growth.txt", dmthin(t, "status", "--state", d.start(t)).out)
}

func TestOnlyWhatDockerDoesNotNameIsCollected(t *testing.T) {
	d := readyDaemon()
	state := d.docker(t, imageID, containerID, containerID+"-init")
	if got := dmthin(t, "gc", "--state", state); got.code != exitOK {
		t.Fatalf("exit %d: %s", got.code, got.errOut)
	}
	if got := dmthin(t, "gc", "--delete", "--yes", "--min-age", "1h", "--state", state); got.code != exitOK {
		t.Fatalf("exit %d: %s", got.code, got.errOut)
	}
	dry := admin.CollectRequest{Layers: []string{oddID}, Leaked: true, MinAgeSeconds: 600}
	dryHour, hour := dry, dry
	dryHour.MinAgeSeconds = 3600
	hour.MinAgeSeconds, hour.Delete = 3600, true
	if diff := cmp.Diff([]any{dry, dryHour, hour}, d.asked); diff != "" {
		t.Error(diff)
	}
}

func TestTheBuildersLayersAreNotCollected(t *testing.T) {
	d := readyDaemon()
	state := d.docker(t, imageID, containerID, containerID+"-init")
	builder := filepath.Join(filepath.Dir(state), "buildkit")
	if err := os.Mkdir(builder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(builder, "snapshots.db"), []byte("\x00"+oddID+"\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := dmthin(t, "gc", "--state", state, "--format", "json")
	if got.code != exitOK || strings.Contains(got.out, oddID) {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.errOut)
	}
}

func TestWhereDockersNamesAreNotKnownNothingIsCollected(t *testing.T) {
	d := readyDaemon()
	d.leaked = []uint32{17}
	nowhere := d.start(t)
	strange := d.docker(t, "somebody-elses-layer")
	for name, args := range map[string][]string{
		"no layer store":       {"--state", nowhere},
		"another Docker's":     {"--state", strange},
		"another driver's":     {"--state", strange, "--driver", "overlay2"},
		"another Docker's dir": {"--state", nowhere, "--docker-root", filepath.Dir(strange)},
	} {
		got := dmthin(t, append([]string{"gc", "--delete", "--yes"}, args...)...)
		if got.code != exitRefused || got.out != "" {
			t.Errorf("%s: exit %d, %s", name, got.code, got.out)
		}
	}
	if len(d.asked) != 0 {
		t.Errorf("the daemon was asked for %v", d.asked)
	}
	if got := dmthin(t, "gc", "--all", "--state", strange); got.code != exitOK {
		t.Errorf("--all: exit %d, %s", got.code, got.errOut)
	}
}

func TestNothingIsDeletedWithoutAYes(t *testing.T) {
	for answer, deletes := range map[string]bool{"y\n": true, "yes\n": true, "n\n": false, "\n": false, "": false} {
		d := readyDaemon()
		d.leaked = []uint32{17}
		state := d.docker(t, imageID, containerID)
		var out, errOut bytes.Buffer
		a := newApp(&out, &errOut, func(string) string { return "" })
		root := newRootCommand(a)
		root.SetArgs([]string{"gc", "--delete", "--state", state})
		root.SetIn(strings.NewReader(answer))
		root.SetErr(&errOut)
		err := root.ExecuteContext(t.Context())
		last := d.asked[len(d.asked)-1].(admin.CollectRequest)
		if last.Delete != deletes || (err == nil) != deletes {
			t.Errorf("answer %q: %v, deleted %v", answer, err, last.Delete)
		}
		if !strings.Contains(errOut.String(), "leaked device") {
			t.Errorf("answer %q: the question doesn't show what goes: %s", answer, errOut.String())
		}
	}
}

func TestALayerThatDockerNamesIsRemovedOnlyByForce(t *testing.T) {
	d := readyDaemon()
	state := d.docker(t, imageID)
	if got := dmthin(t, "remove", imageID, "--yes", "--state", state); got.code != exitRefused || len(d.asked) != 0 {
		t.Errorf("exit %d, asked %v", got.code, d.asked)
	}
	if got := dmthin(t, "remove", imageID, "--yes", "--state", d.start(t)); got.code != exitRefused || len(d.asked) != 0 {
		t.Errorf("names unknown: exit %d, asked %v", got.code, d.asked)
	}
	if got := dmthin(t, "remove", imageID, "--yes", "--force", "--state", state); got.code != exitOK {
		t.Errorf("--force: exit %d, %s", got.code, got.errOut)
	}
	if !slices.Equal(d.asked, []any{"remove " + imageID + " force=true"}) {
		t.Errorf("asked %v", d.asked)
	}
	d.refusal = fmt.Errorf("%w: it is mounted", admin.ErrRefused)
	if got := dmthin(t, "remove", imageID, "--yes", "--force", "--state", state); got.code != exitRefused || !strings.Contains(got.errOut, "mounted") {
		t.Errorf("mounted: exit %d, %s", got.code, got.errOut)
	}
}

func TestAMountThatFailsLetsTheLayerGo(t *testing.T) {
	for _, failure := range []error{nil, errors.New("no such directory")} {
		d, mounts := readyDaemon(), &noMounts{err: failure}
		var out, errOut bytes.Buffer
		a := newApp(&out, &errOut, func(string) string { return "" })
		a.mounter = mounts
		state := d.start(t)
		code := a.run(t.Context(), []string{"mount", imageID, "/m", "--state", state})
		want := []any{"hold " + imageID + " write=false"}
		if failure != nil {
			want = append(want, "release "+imageID)
		}
		if (code == exitOK) != (failure == nil) || !slices.Equal(d.asked, want) {
			t.Errorf("%v: exit %d, asked %v", failure, code, d.asked)
		}
		if !slices.Equal(mounts.did, []string{"mount /dev/dm-3 /m ext4 write=false"}) {
			t.Errorf("mounts %v", mounts.did)
		}
		if failure != nil {
			continue
		}
		if code := a.run(t.Context(), []string{"unmount", imageID, "/m", "--state", state}); code != exitOK {
			t.Errorf("unmount: exit %d, %s", code, errOut.String())
		}
	}
}

func TestAnUnmountIsOfTheLayersDeviceOnly(t *testing.T) {
	for _, failure := range []error{nil, filesystem.ErrOtherMount} {
		d, mounts := readyDaemon(), &noMounts{err: failure}
		var out, errOut bytes.Buffer
		a := newApp(&out, &errOut, func(string) string { return "" })
		a.mounter = mounts
		dir := t.TempDir()
		link := dir + "-link"
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		code := a.run(t.Context(), []string{"unmount", imageID, link, "--state", d.start(t)})
		if !slices.Equal(mounts.did, []string{"unmount dmthin-4f1c-" + imageID + " " + dir}) {
			t.Errorf("did %q", mounts.did)
		}
		want, asked := exitOK, []any{"release " + imageID}
		if failure != nil {
			want, asked = exitRefused, nil
		}
		if code != want || !slices.Equal(d.asked, asked) {
			t.Errorf("%v: exit %d, asked %v, %s", failure, code, d.asked, errOut.String())
		}
		_ = os.Remove(link)
	}
}

func TestABackupIsWholeOrNotThere(t *testing.T) {
	d := readyDaemon()
	d.backup = map[string][]byte{"identity.json": []byte("{}"), "metadata/base": []byte("{}")}
	state, file := d.start(t), filepath.Join(t.TempDir(), "records.tar")
	if got := dmthin(t, "backup", file, "--state", state); got.code != exitOK || !strings.Contains(got.out, "42") {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.errOut)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, files, err := admin.ReadBackup(f); err != nil || len(files) != 2 {
		t.Errorf("ReadBackup = %v, %v", files, err)
	}
	d.refusal = errors.New("disk on fire")
	other := filepath.Join(t.TempDir(), "records.tar")
	if got := dmthin(t, "backup", other, "--state", state); got.code != exitFailure {
		t.Errorf("exit %d", got.code)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(other), "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAFailedTrimOfALayerIsAFailure(t *testing.T) {
	d := readyDaemon()
	d.trim = admin.TrimReport{Layers: []admin.Trimmed{{Layer: imageID, Error: "operation not supported"}}}
	if got := dmthin(t, "trim", "--all", "--state", d.start(t)); got.code != exitFailure || !strings.Contains(got.out, "not supported") {
		t.Errorf("exit %d: %s", got.code, got.out)
	}
}

func TestMistakesInArgumentsAreUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"check", "layer-without-filesystems"}, {"trim"}, {"trim", "a", "--all"}, {"resize"}, {"resize", "much"},
		{"resize", "-1"}, {"snap", "one"}, {"remove"}, {"mount", "a"}, {"gc", "x"}, {"backup"}, {"restore"}, {"repair", "x"},
	} {
		if got := dmthin(t, args...); got.code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, got.code, got.errOut)
		}
	}
}
