package diff

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestApplyTakesTheLastOfEqualNames(t *testing.T) {
	checkDescriptors(t)
	dir := t.TempDir()
	write(t, dir+"/folder/below", "old")
	mustApply(t, dir, newTarball(t).
		file("twice", "first").file("twice", "second").
		file("folder", "now a file").
		file("file", "x").dir("file").file("file/below", "now a folder").
		dir("gone").file(".wh.gone", "").bytes())
	want := map[string]string{"twice": "second", "folder": "now a file", "file/below": "now a folder"}
	if d := cmp.Diff(want, contents(t, dir)); d != "" {
		t.Error(d)
	}
}

// contents returns the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestApplyMergesFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/folder/below", "stays")
	mustApply(t, dir, newTarball(t).add(tar.Header{Typeflag: tar.TypeDir, Name: "folder", Mode: 0o700}, "").bytes())
	if d := cmp.Diff(map[string]string{"folder/below": "stays"}, contents(t, dir)); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(dir + "/folder"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
}

func TestOpaqueMarkRemovesOnlyWhatWasBelow(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/folder/old", "")
	write(t, dir+"/folder/merged/old", "")
	write(t, dir+"/folder/implied/old", "")
	write(t, dir+"/beside", "")
	// The mark comes last and through a link, the folder "implied" is not listed.
	mustApply(t, dir, newTarball(t).
		dir("folder").dir("folder/merged").file("folder/merged/new", "").
		file("folder/implied/new", "").
		symlink("link", "folder").file("link/"+opaqueName, "").bytes())
	want := map[string]string{"folder/merged/new": "", "folder/implied/new": "", "beside": ""}
	if d := cmp.Diff(want, contents(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestOpaqueTopEmptiesTheLayer(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/old/file", "")
	mustApply(t, dir, newTarball(t).file(opaqueName, "").file("new", "").bytes())
	if d := cmp.Diff(map[string]string{"new": ""}, contents(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestAufsHardLinksBecomeFiles(t *testing.T) {
	checkDescriptors(t)
	dir := t.TempDir()
	mustApply(t, dir, newTarball(t).
		dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "one").file(".wh..wh.plnk/3.4", "two").
		file(".wh..wh.aufs", "").
		link("a", "/.wh..wh.plnk/3.4").link("b/c", ".wh..wh.plnk/1.2").link("d", ".wh..wh.plnk/1.2").bytes())
	if d := cmp.Diff(map[string]string{"a": "two", "b/c": "one", "d": "one"}, contents(t, dir)); d != "" {
		t.Error(d)
	}
	if _, err := apply(t, dir, newTarball(t).link("a", ".wh..wh.plnk/9").bytes()); err == nil {
		t.Error("a link to a file that the tar doesn't have was unpacked")
	}
}

func TestHardLinksShareAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/old", "old")
	mustApply(t, dir, newTarball(t).
		file("a", "new").link("b", "/a").link("old", "./a").symlink("s", "/f").file("f/x", "y").link("z", "s/x").bytes())
	tree := describe(t, dir, false)
	for name, want := range map[string]string{"b": "a", "old": "a", "z": "f/x"} {
		if got := tree[name].SameAs; got != want {
			t.Errorf("%s is the same file as %q, want %q", name, got, want)
		}
	}
}

func TestModesAreExactWhateverTheUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	b := newTarball(t)
	want := map[string]fs.FileMode{
		"file": 0o666, "setuid": fs.ModeSetuid | 0o755, "folder": fs.ModeDir | fs.ModeSticky | 0o777,
		"setgid": fs.ModeDir | fs.ModeSetgid | 0o775, "implied": fs.ModeDir | 0o755, "none": 0,
	}
	b.add(tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o666}, "x")
	b.add(tar.Header{Typeflag: tar.TypeReg, Name: "setuid", Mode: 0o4755}, "x")
	b.add(tar.Header{Typeflag: tar.TypeDir, Name: "folder", Mode: 0o1777}, "")
	b.add(tar.Header{Typeflag: tar.TypeDir, Name: "setgid", Mode: 0o2775}, "")
	b.add(tar.Header{Typeflag: tar.TypeReg, Name: "none", Mode: 1 << 20}, "") // bits that are no mode
	b.file("implied/file", "")
	mustApply(t, dir, b.bytes())
	for name, mode := range want {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: got %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}

func TestTimesAreKept(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_500_000_000, 123_456_789)
	b := newTarball(t)
	h := tar.Header{ModTime: at, Format: tar.FormatPAX}
	for name, kind := range map[string]byte{"file": tar.TypeReg, "link": tar.TypeSymlink, "folder": tar.TypeDir, "fifo": tar.TypeFifo} {
		h.Name, h.Typeflag, h.Linkname = name, kind, ""
		if kind == tar.TypeSymlink {
			h.Linkname = "file"
		}
		b.add(h, "")
	}
	b.file("folder/below", "moves the folder's time")
	old := tar.Header{Typeflag: tar.TypeReg, Name: "old", ModTime: time.Unix(-5, 0), Format: tar.FormatPAX}
	mustApply(t, dir, b.add(old, "").bytes())
	for _, name := range []string{"file", "link", "folder", "fifo", "old"} {
		want := at
		if name == "old" {
			want = time.Unix(0, 0)
		}
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%s: got %v, %v; want %v", name, info.ModTime(), err, want)
		}
	}
}

func TestAccessTimeIsNeverBeforeTheModification(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_500_000_000, 0)
	b := newTarball(t)
	for name, access := range map[string]time.Time{"before": at.Add(-time.Hour), "none": {}, "after": at.Add(time.Hour)} {
		b.add(tar.Header{Typeflag: tar.TypeReg, Name: name, ModTime: at, AccessTime: access, Format: tar.FormatPAX}, "")
	}
	mustApply(t, dir, b.bytes())
	for name, want := range map[string]time.Time{"before": at, "none": at, "after": at.Add(time.Hour)} {
		s, err := lstatAt(unix.AT_FDCWD, filepath.Join(dir, name))
		if err != nil || s.Atime.Sec != want.Unix() {
			t.Errorf("%s: got %d, %v; want %d", name, s.Atime.Sec, err, want.Unix())
		}
	}
}

func TestTimeOfAFolderIsNotGivenToWhatReplacesIt(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_500_000_000, 0)
	b := newTarball(t).add(tar.Header{Typeflag: tar.TypeDir, Name: "a/", ModTime: at.Add(time.Hour)}, "")
	b.add(tar.Header{Typeflag: tar.TypeReg, Name: "a", ModTime: at}, "")
	mustApply(t, dir, b.bytes())
	if info, err := os.Stat(dir + "/a"); err != nil || !info.ModTime().Equal(at) {
		t.Errorf("got %v, %v", info.ModTime(), err)
	}
}

func TestRemovedLinkIsNoLongerTheWay(t *testing.T) {
	dir := t.TempDir()
	mustApply(t, dir, newTarball(t).dir("d").symlink("d/l", ".").
		file("d/l/one", "").file("d/l/.wh.l", "").file("d/l/two", "").bytes())
	if d := cmp.Diff(map[string]string{"d/one": "", "d/l/two": ""}, contents(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestTopEntrySetsTheLayersOwnFolder(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_500_000_000, 0)
	b := newTarball(t).add(tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o711, ModTime: at}, "")
	mustApply(t, dir, b.file("./file", "").bytes())
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o711 || !info.ModTime().Equal(at) {
		t.Errorf("the top is %v of %v, %v", info.Mode(), info.ModTime(), err)
	}
	if _, err := apply(t, dir, newTarball(t).file(".", "x").bytes()); err == nil {
		t.Error("a file was unpacked over the top")
	}
}

func TestLongAndOddNamesAreKept(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long/", 60) + strings.Repeat("n", 255)
	want := map[string]string{long: "1", "\xff\xfe\x01": "2", "new\nline": "3", "é…": "4", " ": "5"}
	b := newTarball(t)
	for name, content := range want {
		b.file(name, content)
	}
	mustApply(t, dir, b.bytes())
	got := make(map[string]string)
	for name := range want {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(content)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEmptyTarIsFine(t *testing.T) {
	for name, stream := range map[string][]byte{"nothing": nil, "end marks": make([]byte, 1024), "padded": make([]byte, 10240)} {
		if size, err := apply(t, t.TempDir(), stream); err != nil || size != 0 {
			t.Errorf("%s: size %d, %v", name, size, err)
		}
	}
}

func TestStreamIsReadToItsEnd(t *testing.T) {
	stream := append(newTarball(t).file("a", "x").bytes(), make([]byte, 100_000)...)
	r := bytes.NewReader(stream)
	if _, err := Apply(t.Context(), t.TempDir(), r, ownIDs()); err != nil {
		t.Fatal(err)
	}
	if r.Len() != 0 {
		t.Errorf("%d bytes were left unread", r.Len())
	}
}

func TestDamagedTarFailsNamingTheEntry(t *testing.T) {
	checkDescriptors(t)
	whole := newTarball(t).file("first", "x").file("second", strings.Repeat("y", 5000)).bytes()
	badSum := bytes.Clone(whole)
	badSum[1024] ^= 0xff
	tests := map[string]struct {
		stream []byte
		want   string
	}{
		"cut in the content":        {whole[:4096], `"second"`},
		"cut in the header":         {whole[:1300], `after entry "first"`},
		"wrong checksum":            {badSum, `after entry "first"`},
		"garbage":                   {bytes.Repeat([]byte("garbage!"), 200), "first entry"},
		"negative size":             {patched(whole, 124, "-0000000001"), "first entry"},
		"negative size of a folder": {patched(newTarball(t).dir("a").bytes(), 124, strings.Repeat("\xff", 12)), `"a/": size -1`},
		"unknown type":              {patched(whole, 156, "V"), `"first": entry type 'V'`},
		"device out of range":       {deviceTar(t), `"device"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := apply(t, t.TempDir(), test.stream)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %v", err)
			}
		})
	}
}

func deviceTar(t *testing.T) []byte {
	return newTarball(t).add(tar.Header{Typeflag: tar.TypeChar, Name: "device", Devmajor: 1 << 13}, "").bytes()
}

// patched overwrites a part of the first header and mends its checksum.
func patched(stream []byte, at int, s string) []byte {
	b := bytes.Clone(stream)
	copy(b[at:], s)
	setChecksum(b)
	return b
}

func TestErrorsOfTheStreamAreWrapped(t *testing.T) {
	broken := errors.New("the line went dead")
	whole := newTarball(t).file("a", strings.Repeat("y", 200_000)).bytes()
	for _, at := range []int{0, 100, 1000, 150_000, len(whole) - 512, len(whole)} {
		r := io.MultiReader(bytes.NewReader(whole[:at]), iotest.ErrReader(broken))
		if _, err := Apply(t.Context(), t.TempDir(), r, ownIDs()); !errors.Is(err, broken) {
			t.Errorf("cut at %d: got %v", at, err)
		}
	}
}

// endless is a tar whose one file never ends.
type endless struct{ head io.Reader }

func (e endless) Read(p []byte) (int, error) {
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	p[0] = 'x'
	return len(p), nil
}

func TestApplyStopsWhenCancelled(t *testing.T) {
	checkDescriptors(t)
	for name, stream := range map[string]io.Reader{
		"content": endless{bytes.NewReader(patched(newTarball(t).file("a", "").bytes()[:512], 124, "77777777777"))},
		"hole":    bytes.NewReader(sparseTar(t, 8*gib-1, 4*gib, "x")),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := Apply(ctx, t.TempDir(), stream, ownIDs())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
			t.Errorf("%s: got %v after %v", name, err, time.Since(start))
		}
	}
}

func TestNewestIsTheNewestTimeOfAFile(t *testing.T) {
	old, newest := time.Unix(1_700_000_000, 0), time.Unix(1_700_000_005, 0)
	at := func(name string, kind byte, modified time.Time) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Mode: 0o755, ModTime: modified}
	}
	none := newTarball(t).add(at("folder/", tar.TypeDir, newest), "").add(at(".wh.gone", tar.TypeReg, newest), "")
	some := newTarball(t).add(at("old", tar.TypeReg, old), "").add(at("new", tar.TypeReg, newest), "").add(at("older", tar.TypeReg, old), "")
	for b, want := range map[*tarball]time.Time{none: {}, some: newest} {
		got, err := ApplyNoting(t.Context(), t.TempDir(), bytes.NewReader(b.bytes()), ownIDs(), func(uint64, string) {})
		if err != nil || !got.Newest.Equal(want) {
			t.Errorf("newest is %v, %v; want %v", got.Newest, err, want)
		}
		if !got.Fractions {
			t.Error("the filesystem is said to keep whole seconds only")
		}
	}
}
