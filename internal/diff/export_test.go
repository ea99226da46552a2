package diff

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/sys/user"
)

// onWrite runs a function once, when the tar's first bytes come through.
type onWrite struct {
	io.Writer
	do func()
}

func (w *onWrite) Write(p []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return w.Writer.Write(p)
}

// exportWhile writes a layer to a tar and calls do in the middle of the content
// of the file "log", which is longer than all buffers on the way.
func exportWhile(t *testing.T, do func(log string)) ([]tarEntry, error) {
	t.Helper()
	checkDescriptors(t)
	layer := t.TempDir()
	log := filepath.Join(layer, "log")
	write(t, log, strings.Repeat("x", 1<<20))
	write(t, layer+"/next", "next")
	var out bytes.Buffer
	err := WriteAll(t.Context(), &onWrite{&out, func() { do(log) }}, layer, IDMaps{})
	if err != nil {
		return nil, err
	}
	return readTar(t, &out), nil
}

func TestGrowingFileIsCutToTheLengthInItsHeader(t *testing.T) {
	entries, err := exportWhile(t, func(log string) {
		f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if _, err := f.WriteString("more"); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Content != strings.Repeat("x", 1<<20) || entries[1].Content != "next" {
		t.Errorf("the tar has %d entries, the first of %d bytes", len(entries), len(entries[0].Content))
	}
}

func TestShrinkingFileFails(t *testing.T) {
	_, err := exportWhile(t, func(log string) {
		if err := os.Truncate(log, 1000); err != nil {
			t.Fatal(err)
		}
	})
	if !errors.Is(err, ErrShrunk) || !strings.Contains(err.Error(), `"/log"`) {
		t.Errorf("got %v, want %v with the file's name", err, ErrShrunk)
	}
}

func TestShrinkingHoleFails(t *testing.T) {
	layer := t.TempDir()
	file := layer + "/hole"
	write(t, file, "begin")
	if err := os.Truncate(file, 1<<30); err != nil {
		t.Fatal(err)
	}
	cut := func() {
		if err := os.Truncate(file, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteAll(t.Context(), &onWrite{io.Discard, cut}, layer, IDMaps{}); !errors.Is(err, ErrShrunk) {
		t.Errorf("got %v, want %v", err, ErrShrunk)
	}
}

func TestWhatGoesWhileTheTarIsWrittenIsLeftOut(t *testing.T) {
	layer := t.TempDir()
	const files = 1000 // more than are looked at ahead
	for i := range files {
		write(t, fmt.Sprintf("%s/%04d/file", layer, i), strings.Repeat("x", 1000))
	}
	var out bytes.Buffer
	remove := func() {
		for _, name := range []string{"/0998/file", "/0999"} {
			if err := os.RemoveAll(layer + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := WriteAll(t.Context(), &onWrite{&out, remove}, layer, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	entries := readTar(t, &out)
	if last := entries[len(entries)-1].Header.Name; last != "0998/" || len(entries) != 2*files-3 {
		t.Errorf("got %d entries, the last %s", len(entries), last)
	}
}

func TestWhatIsGoneIsLeftOut(t *testing.T) {
	layer := t.TempDir()
	write(t, layer+"/file", "")
	if err := os.Symlink("file", layer+"/link"); err != nil {
		t.Fatal(err)
	}
	changes := []Change{{"/gone", Added}, {"/gone/below", Modified}, {"/gone/removed", Deleted}, {"/file/below", Added}, {"/link/below", Added}}
	var out bytes.Buffer
	if err := WriteChanges(t.Context(), &out, layer, changes, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	if entries := readTar(t, &out); len(entries) != 0 {
		t.Errorf("got %v", entries)
	}
	if size, err := Size(t.Context(), layer, changes); err != nil || size != 0 {
		t.Errorf("their size is %d, %v", size, err)
	}
}

func TestSocketsAreLeftOut(t *testing.T) {
	layer := t.TempDir()
	l, err := net.Listen("unix", layer+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var out bytes.Buffer
	if err := WriteChanges(t.Context(), &out, layer, []Change{{"/socket", Added}}, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	if entries := readTar(t, &out); len(entries) != 0 {
		t.Errorf("got %v", entries)
	}
}

func TestTarOfAnUnchangedLayerIsTheSameEveryTime(t *testing.T) {
	layer := t.TempDir()
	write(t, layer+"/a/b", "x")
	write(t, layer+"/a-b", "y")
	changes := []Change{{"/a", Modified}, {"/a-b", Added}, {"/a/b", Modified}, {"/a/gone", Deleted}}
	var first []byte
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 0, 1}} {
		var shuffled []Change
		for _, i := range order {
			shuffled = append(shuffled, changes[i])
		}
		var out bytes.Buffer
		if err := WriteChanges(t.Context(), &out, layer, shuffled, IDMaps{}); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out.Bytes()
			time.Sleep(1100 * time.Millisecond)
		} else if !bytes.Equal(first, out.Bytes()) {
			t.Error("the tars differ")
		}
	}
}

func TestOwnersAreTranslatedIntoTheTar(t *testing.T) {
	layer := t.TempDir()
	write(t, layer+"/file", "x")
	var out bytes.Buffer
	ids := oneID(1234, os.Geteuid(), os.Getegid())
	if err := WriteAll(t.Context(), &out, layer, ids); err != nil {
		t.Fatal(err)
	}
	if h := readTar(t, &out)[0].Header; h.Uid != 1234 || h.Gid != 1234 {
		t.Errorf("the owner in the tar is %d:%d", h.Uid, h.Gid)
	}
	err := WriteAll(t.Context(), io.Discard, layer, IDMaps{UIDMaps: []user.IDMap{{ID: 0, ParentID: 4000, Count: 1}}})
	if err == nil || !strings.Contains(err.Error(), `"/file"`) {
		t.Errorf("an owner without a translation gave %v", err)
	}
}

func TestExportReportsTheWritersError(t *testing.T) {
	checkDescriptors(t)
	layer := t.TempDir()
	write(t, layer+"/file", strings.Repeat("x", 1<<20))
	for _, err := range []error{io.ErrClosedPipe, os.ErrNotExist} {
		r, w := io.Pipe()
		_ = r.CloseWithError(err)
		if got := WriteAll(t.Context(), w, layer, IDMaps{}); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
}

func TestExportStopsWhenCancelled(t *testing.T) {
	checkDescriptors(t)
	layer := t.TempDir()
	for _, name := range []string{"hole", "file"} {
		write(t, filepath.Join(layer, name), "x")
	}
	if err := os.Truncate(layer+"/hole", 1<<40); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(context.Context) error{
		"all":     func(ctx context.Context) error { return WriteAll(ctx, io.Discard, layer, IDMaps{}) },
		"changes": func(ctx context.Context) error { _, err := Changes(ctx, layer, ""); return err },
		"size":    func(ctx context.Context) error { _, err := Size(ctx, layer, []Change{{"/file", Added}}); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if name != "all" {
			cancel()
		}
		if err := run(ctx); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
	}
}

func TestHardLinksAreCountedOnceAndWrittenAsLinks(t *testing.T) {
	layer := t.TempDir()
	write(t, layer+"/a", "12345")
	if err := os.Link(layer+"/a", layer+"/b"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(layer+"/a", layer+"/unchanged"); err != nil {
		t.Fatal(err)
	}
	changes := []Change{{"/b", Added}, {"/a", Added}}
	if size, err := Size(t.Context(), layer, changes); err != nil || size != 5 {
		t.Errorf("size is %d, %v", size, err)
	}
	var out bytes.Buffer
	if err := WriteChanges(t.Context(), &out, layer, changes, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range readTar(t, &out) {
		got = append(got, string(e.Header.Typeflag)+" "+e.Header.Name+" "+e.Header.Linkname+" "+e.Content)
	}
	want := []string{string(tar.TypeReg) + " a  12345", string(tar.TypeLink) + " b a "}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
