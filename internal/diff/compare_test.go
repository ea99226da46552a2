package diff

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFoldersAboveChangesAreListed(t *testing.T) {
	got := withFolders([]Change{
		{"/a/b/c", Added}, {"/a/b/d", Deleted}, {"/a-b", Added},
		{"/new", Added}, {"/new/x", Added}, {"/m", Modified}, {"/m/x", Deleted}, {"/top", Deleted},
	})
	want := []Change{
		{"/a", Modified}, {"/a-b", Added}, {"/a/b", Modified}, {"/a/b/c", Added}, {"/a/b/d", Deleted},
		{"/m", Modified}, {"/m/x", Deleted}, {"/new", Added}, {"/new/x", Added}, {"/top", Deleted},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEveryAttributeCounts(t *testing.T) {
	file := stat{unix.Statx_t{Mode: unix.S_IFREG | 0o644, Uid: 1, Gid: 2, Size: 3, Rdev_major: 4, Rdev_minor: 5}}
	folder := file
	folder.Mode = unix.S_IFDIR | 0o755
	tests := map[string]struct {
		change func(*stat)
		folder bool // whether it counts for folders too
	}{
		"mode":    {func(s *stat) { s.Mode |= 0o4000 }, true},
		"user":    {func(s *stat) { s.Uid++ }, true},
		"group":   {func(s *stat) { s.Gid++ }, true},
		"major":   {func(s *stat) { s.Rdev_major++ }, true},
		"minor":   {func(s *stat) { s.Rdev_minor++ }, true},
		"size":    {func(s *stat) { s.Size++ }, false},
		"seconds": {func(s *stat) { s.Mtime.Sec++ }, false},
	}
	for name, test := range tests {
		a, b := file, folder
		test.change(&a)
		test.change(&b)
		if !differs(&a, &file) {
			t.Errorf("%s of a file doesn't count", name)
		}
		if differs(&b, &folder) != test.folder {
			t.Errorf("%s of a folder: got %v, want %v", name, !test.folder, test.folder)
		}
	}
	same := file
	same.Ino, same.Ctime.Sec, same.Blocks, same.Nlink = 9, 9, 9, 9
	if differs(&same, &file) {
		t.Error("what differs between copies of one file counts")
	}
}

func TestTypeChangesAreWalked(t *testing.T) {
	layer, parent := t.TempDir(), t.TempDir()
	write(t, parent+"/file", "x")
	write(t, layer+"/file/below", "now a folder")
	write(t, parent+"/folder/below", "x")
	write(t, layer+"/folder", "now a file")
	write(t, parent+"/linked/below", "x")
	if err := os.Symlink("file", layer+"/linked"); err != nil {
		t.Fatal(err)
	}
	got, err := Changes(t.Context(), layer, parent)
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{{"/file", Modified}, {"/file/below", Added}, {"/folder", Modified}, {"/linked", Modified}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if s := got[1].String() + got[0].String() + (Change{"/x", Deleted}).String(); s != "A /file/belowC /fileD /x" {
		t.Errorf("they are shown as %s", s)
	}
}

// A layer that was unpacked has whole seconds, which is where Docker's test takes
// times for the same.
func TestAChangeWithinTheSecondOfTheUnpackingIsSeen(t *testing.T) {
	layer, parent := t.TempDir(), t.TempDir()
	for dir, times := range map[string][2]int64{layer: {500, 5}, parent: {0, 5}} {
		for name, nsec := range map[string]int64{"changed": times[0], "same": times[1]} {
			path, at := filepath.Join(dir, name), time.Unix(1_700_000_000, nsec)
			if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chtimes(path, at, at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := Changes(t.Context(), layer, parent)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Change{{"/changed", Modified}}, got); d != "" {
		t.Error(d)
	}
}

func TestCapabilitiesLoseTheirNamespace(t *testing.T) {
	bound := "\x01\x00\x00\x03" + netRaw[4:] + "\xe8\x03\x00\x00"
	for value, want := range map[string]string{bound: netRaw, netRaw: netRaw, "\x01": "\x01", "": ""} {
		if got := string(portableCapability([]byte(value))); got != want {
			t.Errorf("%x: got %x, want %x", value, got, want)
		}
	}
}

func TestPathsAreCutAtSlashes(t *testing.T) {
	for _, test := range []struct{ path, piece, rest string }{
		{"a/b", "a/b", ""},
		{"aaaa/bbbb", "aaaa", "bbbb"},
		{"aaaaa/bbbb", "aaaaa", "bbbb"},
		{"aaaaaaaaa", "aaaaaaaaa", ""},
		{"a/b/cc/d", "a/b", "cc/d"},
	} {
		if piece, rest := cutPath(test.path, 5); piece != test.piece || rest != test.rest {
			t.Errorf("%s: got %q and %q", test.path, piece, rest)
		}
	}
}
