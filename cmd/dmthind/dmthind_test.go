package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/plugin"
)

func quietLog() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return logrus.NewEntry(log)
}

func TestDeferralFollowsTheKernelUnlessToldOtherwise(t *testing.T) {
	on, off := true, false
	for _, c := range []struct {
		what              string
		removal, deletion *bool
		supported         bool
		want              deferral
		wrong             string
	}{
		{"defaults", nil, nil, true, deferral{true, true}, ""},
		{"an old kernel", nil, nil, false, deferral{}, ""},
		{"removal off turns deletion off", &off, nil, true, deferral{}, ""},
		{"deletion off alone", nil, &off, true, deferral{true, false}, ""},
		{"both on", &on, &on, true, deferral{true, true}, ""},
		{"removal on an old kernel", &on, nil, false, deferral{}, "dm.use_deferred_removal"},
		{"deletion without removal", &off, &on, true, deferral{}, "dm.use_deferred_deletion"},
		{"deletion on an old kernel", nil, &on, false, deferral{}, "dm.use_deferred_deletion"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := deferralFor(c.removal, c.deletion, c.supported)
			if (c.wrong == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Fatalf("error %v, want one that names %q", err, c.wrong)
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestInitIsRememberedForThisBootOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "init.json")
	if _, ok, err := loadInit(path); ok || err != nil {
		t.Fatalf("loadInit of nothing = %v, %v", ok, err)
	}
	want := plugin.InitRequest{
		Home: "/h", Options: []string{"dm.fs=xfs"},
		UIDMaps: []plugin.IDMap{{ContainerID: 0, HostID: 1000, Size: 10}},
	}
	if err := saveInit(path, want); err != nil {
		t.Fatal(err)
	}
	got, ok, err := loadInit(path)
	if !ok || err != nil {
		t.Fatalf("loadInit = %v, %v", ok, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	forgeBoot(t, path)
	if _, ok, err := loadInit(path); ok || err != nil {
		t.Errorf("loadInit after a reboot = %v, %v; dockerd sends a new one", ok, err)
	}
	if err := errors.Join(removeInit(path), removeInit(path)); err != nil {
		t.Error(err)
	}
}

func forgeBoot(t *testing.T, path string) {
	t.Helper()
	data, err := json.Marshal(initRecord{Boot: "another"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedInitRecordIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "init.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadInit(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("loadInit = %v", err)
	}
}

func TestEveryCallBeforeInitSaysWhatIsMissing(t *testing.T) {
	d := newDriver(settings{initRecord: filepath.Join(t.TempDir(), "none")}, quietLog())
	ctx := t.Context()
	d.resume(ctx) // nothing is on record
	errs := map[string]error{
		"Create": d.Create(ctx, plugin.CreateRequest{ID: "a"}), "Remove": d.Remove(ctx, "a"), "Put": d.Put(ctx, "a"),
		"Diff": d.Diff(ctx, "a", "", io.Discard),
	}
	_, errs["Get"] = d.Get(ctx, "a", "")
	_, errs["Exists"] = d.Exists(ctx, "a")
	_, errs["Status"] = d.Status(ctx)
	_, errs["Metadata"] = d.Metadata(ctx, "a")
	_, errs["Changes"] = d.Changes(ctx, "a", "")
	_, errs["DiffSize"] = d.DiffSize(ctx, "a", "")
	_, errs["ApplyDiff"] = d.ApplyDiff(ctx, "a", "", strings.NewReader(""))
	for call, err := range errs {
		if !errors.Is(err, plugin.ErrNotInitialised) {
			t.Errorf("%s = %v", call, err)
		}
	}
	if err := d.Cleanup(ctx); err != nil {
		t.Errorf("Cleanup = %v", err)
	}
	status, err := source{d}.Status(ctx)
	if err != nil || status.State != admin.StateWaiting {
		t.Errorf("admin status = %+v, %v", status, err)
	}
	if _, err := (source{d}).Layers(ctx); !errors.Is(err, admin.ErrNotReady) {
		t.Errorf("admin layers = %v", err)
	}
}

func TestCallsWaitWhileTheWorkOfAnEarlierRunIsTakenUp(t *testing.T) {
	d := newDriver(settings{initRecord: filepath.Join(t.TempDir(), "none")}, quietLog())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.Put(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put before that began = %v, which dockerd would not repeat", err)
	}
	if _, err := (source{d}).Layers(t.Context()); !errors.Is(err, admin.ErrNotReady) {
		t.Errorf("the operator is kept waiting: %v", err)
	}
	answered := make(chan error, 1)
	go func() { answered <- d.Put(t.Context(), "a") }()
	d.resume(t.Context())
	if err := <-answered; !errors.Is(err, plugin.ErrNotInitialised) {
		t.Errorf("Put after that = %v", err)
	}
}

func TestAFailedInitIsWhatLaterCallsAndTheOperatorSee(t *testing.T) {
	dir := t.TempDir()
	d := newDriver(settings{state: dir, initRecord: filepath.Join(dir, "init.json")}, quietLog())
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	err := d.Init(t.Context(), plugin.InitRequest{Home: dir, Options: []string{"dm.nonsense=1"}})
	if err == nil || !strings.Contains(err.Error(), "dm.nonsense") {
		t.Fatalf("Init = %v", err)
	}
	if err := d.Put(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "dm.nonsense") {
		t.Errorf("Put = %v", err)
	}
	status, err := admin.NewClient(filepath.Join(dir, "admin.sock")).Status(t.Context())
	if err != nil || status.State != admin.StateFailed || !strings.Contains(status.Error, "dm.nonsense") {
		t.Errorf("status over the admin socket = %+v, %v", status, err)
	}
	if _, ok, _ := loadInit(d.set.initRecord); ok {
		t.Error("a failed Init is remembered")
	}
}

func TestDamagedMetadataIsToBeRepaired(t *testing.T) {
	for _, damage := range []error{unix.EILSEQ, fmt.Errorf("block 7: %w", thinmeta.ErrChecksum)} {
		if err := adviseDamage(damage); !errors.Is(err, damage) || !strings.Contains(err.Error(), "dmthin repair") {
			t.Errorf("%v", err)
		}
	}
	if err := adviseDamage(unix.EIO); err.Error() != unix.EIO.Error() {
		t.Errorf("%v", err)
	}
}

func TestTheSameInitIsRecognised(t *testing.T) {
	a := request{Home: "/h", Options: []string{"x=1"}}
	same := plugin.InitRequest{Home: "/h", Options: []string{"x=1"}, UIDMaps: []plugin.IDMap{}}
	if !a.same(same) {
		t.Error("an equal Init is taken for another")
	}
	for what, other := range map[string]plugin.InitRequest{
		"home":    {Home: "/i", Options: []string{"x=1"}},
		"options": {Home: "/h", Options: []string{"x=2"}},
		"maps":    {Home: "/h", Options: []string{"x=1"}, GIDMaps: []plugin.IDMap{{Size: 1}}},
	} {
		if a.same(other) {
			t.Errorf("another %s goes unnoticed", what)
		}
	}
}

func TestNoRangesAreNoMap(t *testing.T) {
	if idMap([]plugin.IDMap{}) != nil {
		t.Error("an empty list became a map that maps nothing")
	}
	if got := idMap([]plugin.IDMap{{ContainerID: 1, HostID: 2, Size: 3}}); len(got) != 1 || got[0].ID != 1 || got[0].ParentID != 2 || got[0].Count != 3 {
		t.Errorf("idMap = %+v", got)
	}
}

func TestBadUsageHasItsOwnExitCode(t *testing.T) {
	for _, arg := range []string{
		"--nonsense", "surplus", "--log-level=loud", "--log-format=xml", "--trim-interval=5", "--verify-diff=half", "--metrics-address=9323",
		"--socket=here.sock", "--socket=", "--state=here", "--admin-socket=here.sock", "--init-record=init.json",
	} {
		if code := run([]string{arg}); code != exitUsage {
			t.Errorf("%s: exit %d, want %d", arg, code, exitUsage)
		}
	}
	t.Setenv("DMTHIN_TRIM_INTERVAL", "weekly")
	if code := run(nil); code != exitUsage {
		t.Errorf("a wrong variable: exit %d, want %d", code, exitUsage)
	}
	if code := run([]string{"--help"}); code != 0 {
		t.Errorf("--help exits %d", code)
	}
}

func TestLogSettingsAreChecked(t *testing.T) {
	for _, set := range []settings{{logLevel: "loud", logFormat: "text"}, {logLevel: "info", logFormat: "xml"}} {
		if _, err := newLogger(set); err == nil {
			t.Errorf("newLogger(%+v) accepts it", set)
		}
	}
	log, err := newLogger(settings{logLevel: "debug", logFormat: "json"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log.SetOutput(&out)
	defer log.SetOutput(os.Stdout)
	log.Debug("x")
	if !json.Valid(out.Bytes()) {
		t.Errorf("not JSON: %q", &out)
	}
}

func TestATrimIntervalIsATimeOrNothing(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "24h": 24 * time.Hour, "1m30s": 90 * time.Second} {
		if got, err := parseTrimInterval(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "weekly", "-1h"} {
		if got, err := parseTrimInterval(text); err == nil || !strings.Contains(err.Error(), "--trim-interval") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestALiveSocketIsNotTakenOver(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := plugin.ListenUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := plugin.ListenUnix(socket); !errors.Is(err, plugin.ErrSocketInUse) {
		t.Errorf("second ListenUnix = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serve(ctx, settings{logLevel: "info", logFormat: "text", socket: socket}); !errors.Is(err, plugin.ErrSocketInUse) && !errors.Is(err, errNotRoot) {
		t.Errorf("serve = %v", err)
	}
}
