package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// makeDeep makes a chain of folders, two names at each level, whose path is far
// longer than PATH_MAX. The last holds a file.
func makeDeep(t testing.TB, dir string, levels int) {
	t.Helper()
	fd, err := unix.Open(dir, readDir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range levels {
		for _, name := range []string{deepName, "beside"} {
			if err := unix.Mkdirat(fd, name, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		next, err := unix.Openat(fd, deepName, readDir, 0)
		closeFD(fd)
		if err != nil {
			t.Fatal(err)
		}
		fd = next
	}
	defer closeFD(fd)
	file, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(file, []byte("deep")); err != nil {
		t.Fatal(err)
	}
	wholeSecond := []unix.Timespec{{Sec: 1_700_000_000}, {Sec: 1_700_000_000}} // as a tar of it has
	if err := unix.UtimesNanoAt(file, "", wholeSecond, unix.AT_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	closeFD(file)
}

var deepName = strings.Repeat("d", 100)

func TestPathsMayBeLongerThanTheKernelTakes(t *testing.T) {
	checkDescriptors(t)
	const levels = 60 // of 100 bytes each
	layer, empty, copied := t.TempDir(), t.TempDir(), t.TempDir()
	makeDeep(t, layer, levels)
	changes, err := Changes(t.Context(), layer, empty)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*levels + 1; len(changes) != want {
		t.Errorf("%d changes, want %d", len(changes), want)
	}
	if size, err := Size(t.Context(), layer, changes); err != nil || size != 4 {
		t.Errorf("size is %d, %v", size, err)
	}
	var all, listed bytes.Buffer
	if err := WriteAll(t.Context(), &all, layer, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	if err := WriteChanges(t.Context(), &listed, layer, changes, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	if all.Len() != listed.Len() {
		t.Errorf("the whole layer's tar has %d bytes, the one of its changes %d", all.Len(), listed.Len())
	}
	if _, err := Apply(t.Context(), copied, &all, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	left, err := Changes(t.Context(), copied, layer)
	if err != nil || len(left) > 0 {
		t.Errorf("the copy differs: %v, %v", left, err)
	}
}

func TestManyFoldersAreComparedOnceEach(t *testing.T) {
	checkDescriptors(t)
	layer, parent := t.TempDir(), t.TempDir()
	var want []Change
	for i := range 40 {
		for j := range 10 {
			dir := fmt.Sprintf("/%02d/%d", i, j)
			write(t, layer+dir+"/file", "same")
			write(t, parent+dir+"/file", "same")
			at, err := os.Stat(layer + dir + "/file")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(parent+dir+"/file", at.ModTime(), at.ModTime()); err != nil {
				t.Fatal(err)
			}
		}
		write(t, fmt.Sprintf("%s/%02d/5/new", layer, i), "")
		want = append(want, Change{fmt.Sprintf("/%02d", i), Modified},
			Change{fmt.Sprintf("/%02d/5", i), Modified}, Change{fmt.Sprintf("/%02d/5/new", i), Added})
	}
	got, err := Changes(t.Context(), layer, parent)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLayerMayChangeWhileItIsCompared(t *testing.T) {
	checkDescriptors(t)
	layer, parent := t.TempDir(), t.TempDir()
	for i := range 30 {
		write(t, fmt.Sprintf("%s/%d/file", parent, i), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := 0; ctx.Err() == nil; i = (i + 1) % 30 {
			dir := fmt.Sprintf("%s/%d", layer, i)
			_ = os.MkdirAll(dir+"/below", 0o755)
			_ = os.WriteFile(dir+"/file", []byte("x"), 0o644)
			_ = os.RemoveAll(dir)
			_ = os.Symlink("/", dir)
			_ = os.Remove(dir)
		}
	})
	for range 50 {
		changes, err := Changes(t.Context(), layer, parent)
		if err != nil {
			t.Error(err)
			break
		}
		for _, c := range changes {
			if strings.Count(c.Path, "/") > 2 {
				t.Errorf("%v is not in the layer: a link was followed", c)
			}
		}
	}
	cancel()
	busy.Wait()
}

func TestMissingFolderIsNamed(t *testing.T) {
	checkDescriptors(t)
	dir, missing := t.TempDir(), filepath.Join(t.TempDir(), "missing")
	for _, pair := range [][2]string{{missing, ""}, {dir, missing}, {missing, dir}} {
		_, err := Changes(t.Context(), pair[0], pair[1])
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
			t.Errorf("%v: got %v", pair, err)
		}
	}
	if _, err := Apply(t.Context(), missing, bytes.NewReader(nil), IDMaps{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("apply: got %v", err)
	}
}

func TestFoldersOpenWithoutOpenat2(t *testing.T) {
	checkDescriptors(t)
	dir := t.TempDir()
	write(t, dir+"/a/b/c/file", "x")
	if err := os.Symlink("a", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	top, err := openTop(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(top)
	open := map[string]func(int, string, int) (int, error){"openat2": openPiece, "by name": openByName}
	for path, want := range map[string]error{
		".": nil, "a": nil, "a/b/c": nil,
		"a/b/c/file": unix.ENOTDIR, "gone": unix.ENOENT, "a/gone/c": unix.ENOENT,
		"link": errAny, "link/b": errAny,
	} {
		for name, f := range open {
			for _, flags := range []int{readDir, pathDir} {
				fd, err := f(top, path, flags)
				if err == nil {
					closeFD(fd)
				}
				if errors.Is(want, errAny) && isGone(err) || errors.Is(err, want) {
					continue
				}
				t.Errorf("%s %q: got %v, want %v", name, path, err, want)
			}
		}
	}
}

// errAny stands for whichever error says that a link was in the way.
var errAny = errors.New("any")

func TestReadingLeavesAccessTimesAlone(t *testing.T) {
	layer := t.TempDir()
	write(t, layer+"/a/file", "x")
	// Aged, so that even a relatime mount would move them.
	for _, name := range []string{"/a/file", "/a"} {
		if err := os.Chtimes(layer+name, time.Unix(0, 0), time.Unix(1000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Changes(t.Context(), layer, layer); err != nil {
		t.Fatal(err)
	}
	if err := WriteAll(t.Context(), &bytes.Buffer{}, layer, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/a/file", "/a"} {
		if s, err := lstatAt(unix.AT_FDCWD, layer+name); err != nil || s.Atime.Sec != 0 {
			t.Errorf("the access time of %s is %v, %v", name, s.Atime, err)
		}
	}
}

func TestAFileWithANewNameIsChangedSoThatTheLinkSurvives(t *testing.T) {
	parent, layer := t.TempDir(), t.TempDir()
	for _, dir := range []string{parent, layer} {
		path := filepath.Join(dir, "old")
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(layer, "old"), filepath.Join(layer, "new")); err != nil {
		t.Fatal(err)
	}
	got, err := Changes(t.Context(), layer, parent)
	want := []Change{{"/new", Added}, {"/old", Modified}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
