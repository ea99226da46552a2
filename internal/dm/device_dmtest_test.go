//go:build dmtest

package dm_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/dm"
)

func TestCreatedDeviceIsLive(t *testing.T) {
	dev, info := newDevice(t, "dmtest-live")
	if !info.Exists || !info.LiveTable || info.Suspended || info.ReadOnly || info.Name != dev.Name || info.UUID != dev.UUID {
		t.Errorf("got %+v", info)
	}
	if err := info.CheckNode(); err != nil {
		t.Error(err)
	}
	table, err := dm.Table(dev)
	if diff := cmp.Diff(errorTable(2048), table); err != nil || diff != "" {
		t.Errorf("table: %v (-want +got)\n%s", err, diff)
	}
	if status, err := dm.Status(dev, true); err != nil || len(status) != 1 || status[0].Type != "error" {
		t.Errorf("status: %v, %v", status, err)
	}
	byNumber, err := dm.LookupNumber(info.Major, info.Minor)
	if diff := cmp.Diff(info, byNumber); err != nil || diff != "" {
		t.Errorf("by number: %v (-want +got)\n%s", err, diff)
	}
	if names, err := dm.List(); err != nil || !slices.Contains(names, dev.Name) {
		t.Errorf("list: %v, %v", names, err)
	}
}

func TestMissingDeviceIsNoErrorToLookup(t *testing.T) {
	if info, err := dm.Lookup(dm.ID{Name: "dmtest-none"}); err != nil || info.Exists {
		t.Errorf("got %+v, %v", info, err)
	}
	_, err := dm.Status(dm.ID{Name: "dmtest-none"}, true)
	wantErrno(t, err, syscall.ENXIO)
	_, err = dm.Table(dm.ID{Name: "dmtest-none"})
	wantErrno(t, err, syscall.ENXIO)
	wantErrno(t, dm.Resume(dm.ID{Name: "dmtest-none"}), syscall.ENXIO)
	wantErrno(t, dm.Remove(t.Context(), dm.ID{Name: "dmtest-none"}, dm.RemoveOptions{}), syscall.ENXIO)
}

func TestPathIsNotTakenForAName(t *testing.T) {
	dev, info := newDevice(t, "dmtest-path")
	for _, path := range []string{info.Path(), "/dev/mapper/" + dev.Name, "mapper/" + dev.Name} {
		wantErrno(t, dm.Remove(t.Context(), dm.ID{Name: path}, dm.RemoveOptions{}), syscall.EINVAL)
	}
	if !lookup(t, dev.Name).Exists {
		t.Error("the device behind the path is gone")
	}
}

func TestNameAndUUIDInUseAreBusy(t *testing.T) {
	dev, _ := newDevice(t, "dmtest-taken")
	_, err := dm.Create(t.Context(), dm.ID{Name: dev.Name, UUID: "DMTEST-other"}, errorTable(8), dm.CreateOptions{})
	wantErrno(t, err, syscall.EBUSY)
	_, err = dm.Create(t.Context(), dm.ID{Name: "dmtest-other", UUID: dev.UUID}, errorTable(8), dm.CreateOptions{})
	wantErrno(t, err, syscall.EBUSY)
	if lookup(t, "dmtest-other").Exists {
		t.Error("the second device exists")
	}
	if table, err := dm.Table(dev); err != nil || table[0].Length != 2048 {
		t.Errorf("the first device has changed: %v, %v", table, err)
	}
}

func TestCreateIsUndoneWhenTheTableIsRefused(t *testing.T) {
	dev := dm.ID{Name: "dmtest-refused", UUID: "DMTEST-refused"}
	_, err := dm.Create(t.Context(), dev, []dm.Target{{Length: 8, Type: "dmtest-none", Params: "1 2"}}, dm.CreateOptions{})
	wantErrno(t, err, syscall.EINVAL)
	if !strings.Contains(err.Error(), `load dmtest-refused "dmtest-none 1 2"`) {
		t.Errorf("the error does not name the step: %v", err)
	}
	if lookup(t, dev.Name).Exists {
		t.Error("the device is left")
	}
}

func TestReadOnlyDeviceIsReadOnly(t *testing.T) {
	dev := dm.ID{Name: "dmtest-ro"}
	info, err := dm.Create(t.Context(), dev, errorTable(8), dm.CreateOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer removeIfThere(t, dev)
	if !info.ReadOnly {
		t.Errorf("got %+v", info)
	}
}

func TestReloadedTableWaitsForResume(t *testing.T) {
	dev, _ := newDevice(t, "dmtest-reload")
	length := func() uint64 {
		table, err := dm.Table(dev)
		if err != nil {
			t.Fatal(err)
		}
		return table[0].Length
	}
	if err := dm.Reload(dev, errorTable(4096)); err != nil {
		t.Fatal(err)
	}
	if !lookup(t, dev.Name).InactiveTable || length() != 2048 {
		t.Errorf("after reload: %+v, %d sectors", lookup(t, dev.Name), length())
	}
	if err := dm.Clear(dev); err != nil {
		t.Fatal(err)
	}
	if lookup(t, dev.Name).InactiveTable {
		t.Error("clear leaves the second table")
	}
	if err := dm.Reload(dev, errorTable(4096)); err != nil {
		t.Fatal(err)
	}
	if err := dm.Resume(dev); err != nil {
		t.Fatal(err)
	}
	if lookup(t, dev.Name).InactiveTable || length() != 4096 {
		t.Errorf("after resume: %+v, %d sectors", lookup(t, dev.Name), length())
	}
}

func TestSuspendAndResumeMayBeRepeated(t *testing.T) {
	dev, _ := newDevice(t, "dmtest-suspend")
	for _, opts := range []dm.SuspendOptions{{}, {NoFlush: true}, {SkipLockfs: true}} {
		for range 2 {
			if err := dm.Suspend(dev, opts); err != nil || !lookup(t, dev.Name).Suspended {
				t.Errorf("suspend %+v: %v", opts, err)
			}
		}
		for range 2 {
			if err := dm.Resume(dev); err != nil || lookup(t, dev.Name).Suspended {
				t.Errorf("resume: %v", err)
			}
		}
	}
}

// A name can pass to another device between a look and a call.
func TestUUIDProtectsDeviceThatTookTheName(t *testing.T) {
	dev, _ := newDevice(t, "dmtest-uuid")
	other := dm.ID{Name: dev.Name, UUID: "DMTEST-gone"}
	wantErrno(t, dm.Remove(t.Context(), other, dm.RemoveOptions{}), syscall.ENXIO)
	wantErrno(t, dm.RemoveDeferred(other), syscall.ENXIO)
	wantErrno(t, dm.Suspend(other, dm.SuspendOptions{}), syscall.ENXIO)
	wantErrno(t, dm.Reload(other, errorTable(8)), syscall.ENXIO)
	wantErrno(t, dm.Message(other, "x"), syscall.ENXIO)
	if info := lookup(t, dev.Name); !info.Exists || info.Suspended || info.InactiveTable || info.DeferredRemove {
		t.Errorf("got %+v", info)
	}
}

func TestOpenDeviceIsBusy(t *testing.T) {
	dev, info := newDevice(t, "dmtest-busy")
	f := open(t, info.Path())
	if got := lookup(t, dev.Name).OpenCount; got != 1 {
		t.Errorf("open count %d", got)
	}
	wantErrno(t, dm.Remove(t.Context(), dev, dm.RemoveOptions{}), syscall.EBUSY)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dm.Remove(t.Context(), dev, dm.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

func TestDeferredRemovalWaitsForTheLastUser(t *testing.T) {
	dev, info := newDevice(t, "dmtest-deferred")
	f := open(t, info.Path())
	if err := dm.RemoveDeferred(dev); err != nil {
		t.Fatal(err)
	}
	if !lookup(t, dev.Name).DeferredRemove {
		t.Error("it is not pending")
	}
	if err := dm.CancelDeferredRemove(dev); err != nil {
		t.Fatal(err)
	}
	if lookup(t, dev.Name).DeferredRemove {
		t.Error("it is still pending after it was cancelled")
	}
	if err := dm.RemoveDeferred(dev); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); lookup(t, dev.Name).Exists; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the closed device stays")
		}
	}
	wantErrno(t, dm.CancelDeferredRemove(dev), syscall.ENXIO)
}

func TestDeferredRemovalOfUnusedDeviceIsImmediate(t *testing.T) {
	dev, _ := newDevice(t, "dmtest-deferred-now")
	if err := dm.RemoveDeferred(dev); err != nil || lookup(t, dev.Name).Exists {
		t.Errorf("%v, exists: %v", err, lookup(t, dev.Name).Exists)
	}
}

func TestRenameKeepsTheDevice(t *testing.T) {
	dev, before := newDevice(t, "dmtest-old-name")
	other, _ := newDevice(t, "dmtest-taken-name")
	wantErrno(t, dm.Rename(dev.Name, other.Name), syscall.EBUSY)
	wantErrno(t, dm.Rename("dmtest-none", "dmtest-new-name"), syscall.ENXIO)
	if err := dm.Rename(dev.Name, "dmtest-new-name"); err != nil {
		t.Fatal(err)
	}
	after := lookup(t, "dmtest-new-name")
	if after.UUID != before.UUID || after.Minor != before.Minor || lookup(t, dev.Name).Exists {
		t.Errorf("got %+v", after)
	}
	if dm.Rename("dmtest-new-name", "a/b") == nil {
		t.Error("a name with a slash is accepted")
	}
}

func TestUUIDIsGivenOnce(t *testing.T) {
	dev := dm.ID{Name: "dmtest-nameless"}
	if _, err := dm.Create(t.Context(), dev, errorTable(8), dm.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer removeIfThere(t, dev)
	if err := dm.SetUUID(dev.Name, "DMTEST-given"); err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, dev.Name).UUID; got != "DMTEST-given" {
		t.Errorf("got %q", got)
	}
	wantErrno(t, dm.SetUUID(dev.Name, "DMTEST-another"), syscall.EINVAL)
	wantErrno(t, dm.SetUUID(dev.Name, ""), syscall.EINVAL)
}

func TestRefusedMessageNamesIt(t *testing.T) {
	dev, _ := newDevice(t, "dmtest-message")
	err := dm.Message(dev, "create_thin 1")
	wantErrno(t, err, syscall.EINVAL)
	const want = `device-mapper message dmtest-message "create_thin 1": invalid argument`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}
