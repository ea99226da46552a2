package diff

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const gib = 1 << 30

// sparseTar makes a tar in GNU's old sparse format, which archive/tar can read
// but not write: a file "sparse" with data at one offset.
func sparseTar(t testing.TB, size, offset int64, data string) []byte {
	t.Helper()
	b := newTarball(t).add(tar.Header{Name: "sparse", Typeflag: tar.TypeReg, Format: tar.FormatGNU}, data).bytes()
	const typeAt, mapAt, sizeAt = 156, 386, 483
	b[typeAt] = tar.TypeGNUSparse
	copy(b[mapAt:], fmt.Sprintf("%011o\x00%011o\x00", offset, len(data)))
	copy(b[sizeAt:], fmt.Sprintf("%011o\x00", size))
	setChecksum(b)
	return b
}

// setChecksum mends the checksum of the first header.
func setChecksum(b []byte) {
	const at, length = 148, 8
	copy(b[at:], bytes.Repeat([]byte{' '}, length))
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[at:], fmt.Sprintf("%06o\x00 ", sum))
}

func allocated(t testing.TB, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestApplyKeepsHolesOfSparseEntries(t *testing.T) {
	dir := t.TempDir()
	start := time.Now()
	size, err := apply(t, dir, sparseTar(t, 4*gib, 3*gib, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if size != 4*gib {
		t.Errorf("unpacked size is %d, want %d", size, 4*gib)
	}
	file := filepath.Join(dir, "sparse")
	if info, err := os.Stat(file); err != nil || info.Size() != 4*gib {
		t.Errorf("the file is %v, %v", info, err)
	}
	if got := allocated(t, file); got > 1<<20 {
		t.Errorf("a file of 4 GiB with 4 bytes in it takes %d bytes", got)
	}
	checkBytesAt(t, file, 3*gib, "data")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func checkBytesAt(t *testing.T, file string, offset int64, want string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, offset); err != nil || string(got) != want {
		t.Errorf("at %d is %q, %v; want %q", offset, got, err, want)
	}
}

func TestApplyMakesHolesOfZeros(t *testing.T) {
	dir := t.TempDir()
	content := string(make([]byte, 8<<20)) + "data" + string(make([]byte, 8<<20))
	mustApply(t, dir, newTarball(t).file("zeros", content).bytes())
	file := filepath.Join(dir, "zeros")
	if got, err := os.ReadFile(file); err != nil || string(got) != content {
		t.Errorf("the content changed: %d bytes, %v", len(got), err)
	}
	if got := allocated(t, file); got > 1<<20 {
		t.Errorf("16 MiB of zeros take %d bytes", got)
	}
}

func TestSparseFileSurvivesExportAndApply(t *testing.T) {
	layer, dir := t.TempDir(), t.TempDir()
	file := filepath.Join(layer, "sparse")
	write(t, file, "begin")
	if err := os.Truncate(file, gib); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("middle"), gib/2+100); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() {
		err := WriteAll(context.Background(), w, layer, ownIDs())
		_ = w.CloseWithError(err)
	}()
	if _, err := Apply(t.Context(), dir, r, ownIDs()); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "sparse")
	if got := allocated(t, copied); got > 1<<20 {
		t.Errorf("the copy takes %d bytes", got)
	}
	checkBytesAt(t, copied, 0, "begin\x00")
	checkBytesAt(t, copied, gib/2+99, "\x00middle\x00")
}
