//go:build roottest

package diff

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		panic("these tests make devices and change owners: run them as root")
	}
	os.Exit(m.Run())
}

func TestOwnersDevicesAndCapabilitiesEqualDockers(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) { checkAgainstDocker(t, base, true) })
}

func withXattr(h tar.Header, name, value string) tar.Header {
	h.PAXRecords = map[string]string{paxXattr + name: value}
	return h
}

func TestCapabilitiesAndSetuidSurviveTheChangeOfOwner(t *testing.T) {
	dir := t.TempDir()
	file := tar.Header{Typeflag: tar.TypeReg, Name: "ping", Mode: 0o6755, Uid: 7, Gid: 8}
	b := newTarball(t).add(withXattr(file, capabilityXattr, netRaw), "x")
	// Not every tar repeats the attribute with the file's other names.
	b.add(tar.Header{Typeflag: tar.TypeLink, Name: "ping6", Linkname: "ping", Mode: 0o6755, Uid: 7, Gid: 8}, "")
	mustApply(t, dir, b.bytes())
	for _, name := range []string{"ping", "ping6"} {
		e, _, err := describeFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if e.UID != 7 || e.GID != 8 || e.Mode != fs.ModeSetuid|fs.ModeSetgid|0o755 || e.Xattrs[capabilityXattr] != netRaw {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

func TestAFolderMadeAnewLosesTheOldOnesCapability(t *testing.T) {
	dir := t.TempDir()
	folder := tar.Header{Typeflag: tar.TypeDir, Name: "folder", Mode: 0o755}
	mustApply(t, dir, newTarball(t).add(withXattr(folder, capabilityXattr, netRaw), "").bytes())
	mustApply(t, dir, newTarball(t).add(folder, "").bytes())
	e, _, err := describeFile(filepath.Join(dir, "folder"))
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := e.Xattrs[capabilityXattr]; ok {
		t.Errorf("the folder still has capability %x", value)
	}
}

func TestAttributesAreSetWhereTheFilesystemTakesThem(t *testing.T) {
	dir := t.TempDir()
	file := tar.Header{Typeflag: tar.TypeReg, Name: "file"}
	file.PAXRecords = map[string]string{
		paxXattr + "user.a": "1", paxXattr + "trusted.b": "2\x00", paxXattr + "security.c": "3", paxXattr + "nonsense.d": "4",
	}
	b := newTarball(t).add(file, "")
	b.add(withXattr(tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "file"}, "user.a", "1"), "")
	b.add(withXattr(tar.Header{Typeflag: tar.TypeDir, Name: "folder/"}, "trusted.b", "2"), "")
	mustApply(t, dir, b.bytes())
	tree := describe(t, dir, false)
	want := map[string]map[string]string{
		"file":   {"user.a": "1", "trusted.b": "2\x00", "security.c": "3"},
		"link":   {},
		"folder": {"trusted.b": "2"},
	}
	for name, attrs := range want {
		if d := cmp.Diff(attrs, tree[name].Xattrs); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestDevicesAreMade(t *testing.T) {
	dir := t.TempDir()
	b := newTarball(t)
	b.add(tar.Header{Typeflag: tar.TypeChar, Name: "null", Mode: 0o666, Devmajor: 1, Devminor: 3}, "")
	b.add(tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Mode: 0o660, Gid: 6, Devmajor: 259, Devminor: 70_000}, "")
	mustApply(t, dir, b.bytes())
	tree := describe(t, dir, false)
	if e := tree["null"]; e.Mode != fs.ModeDevice|fs.ModeCharDevice|0o666 || e.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("null: got %+v", e)
	}
	if e := tree["disk"]; e.Mode != fs.ModeDevice|0o660 || e.GID != 6 || e.Rdev != unix.Mkdev(259, 70_000) {
		t.Errorf("disk: got %+v", e)
	}
}

func TestOwnersAreTranslatedBothWays(t *testing.T) {
	dir := t.TempDir()
	ids := oneID(0, 100_000, 200_000)
	for i := range ids.UIDMaps {
		ids.UIDMaps[i].Count, ids.GIDMaps[i].Count = 10, 10
	}
	b := newTarball(t).file("implied/root", "").add(tar.Header{Typeflag: tar.TypeSymlink, Name: "user", Linkname: "x", Uid: 5, Gid: 6}, "")
	b.add(tar.Header{Typeflag: tar.TypeReg, Name: ".wh.odd", Uid: 5}, "")
	stream := b.bytes()
	if _, err := Apply(t.Context(), dir, bytes.NewReader(stream), ids); err != nil {
		t.Fatal(err)
	}
	tree := describe(t, dir, false)
	for name, want := range map[string][2]uint32{
		"implied": {100_000, 200_000}, "implied/root": {100_000, 200_000}, "user": {100_005, 200_006},
	} {
		if e := tree[name]; e.UID != want[0] || e.GID != want[1] {
			t.Errorf("%s belongs to %d:%d, want %v", name, e.UID, e.GID, want)
		}
	}
	var out bytes.Buffer
	if err := WriteAll(t.Context(), &out, dir, ids); err != nil {
		t.Fatal(err)
	}
	for _, e := range readTar(t, &out) {
		if e.Header.Name == "user" && (e.Header.Uid != 5 || e.Header.Gid != 6) {
			t.Errorf("user is written as %d:%d", e.Header.Uid, e.Header.Gid)
		}
	}
	_, err := Apply(t.Context(), dir, bytes.NewReader(newTarball(t).add(tar.Header{Typeflag: tar.TypeReg, Name: "far", Uid: 50}, "").bytes()), ids)
	if err == nil || !strings.Contains(err.Error(), `"far"`) {
		t.Errorf("an owner without a translation gave %v", err)
	}
}

func TestOwnerThatTheKernelCantHoldIsRefused(t *testing.T) {
	for _, uid := range []int{-1, 1<<32 - 1, 1 << 32} {
		dir := t.TempDir()
		b := newTarball(t).add(tar.Header{Typeflag: tar.TypeReg, Name: "file", Uid: uid, Format: tar.FormatGNU}, "")
		if _, err := apply(t, dir, b.bytes()); err == nil {
			t.Errorf("%d was taken for an owner", uid)
		}
	}
}

func TestImpliedFoldersBelongToRoot(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chown(dir, 3, 3); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, fs.ModeSetgid|0o777); err != nil {
		t.Fatal(err)
	}
	mustApply(t, dir, newTarball(t).file("a/b/file", "").bytes())
	for _, name := range []string{"a", "a/b"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != 0 || s.Gid != 0 || info.Mode() != fs.ModeDir|0o755 {
			t.Errorf("%s is %v of %d:%d", name, info.Mode(), s.Uid, s.Gid)
		}
	}
}

func TestFullDiskIsReported(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	_, err := apply(t, dir, newTarball(t).file("small", "x").file("big", strings.Repeat("x", 2<<20)).bytes())
	if err == nil || !strings.Contains(err.Error(), `unpack "big": write: no space left on device`) {
		t.Errorf("got %v", err)
	}
}
