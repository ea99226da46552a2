package thindata

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// patterned makes a loop file in which each byte depends on its place.
func patterned(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	for i := range content {
		content[i] = byte(i>>12 ^ i)
	}
	path = filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestAnyPartIsReadAsItLies(t *testing.T) {
	const size = 3*bufferSize + pageSize
	path, content := patterned(t, size)
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	testParts(t, d, content)
	d.least = leastRead // as of a device
	testParts(t, d, content)
}

func testParts(t *testing.T, d *Data, content []byte) {
	t.Helper()
	size := len(content)
	if d.Size() != int64(size) {
		t.Errorf("the size is %d, want %d", d.Size(), size)
	}
	check := func(offset, length int) {
		t.Helper()
		p := make([]byte, length)
		if n, err := d.ReadAt(p, int64(offset)); n != length || err != nil || !bytes.Equal(p, content[offset:][:length]) {
			t.Fatalf("%d bytes at %d: %d read, %v", length, offset, n, err)
		}
	}
	check(0, size)
	check(size-1, 1)
	for offset := 0; offset < 4*pageSize; offset += 512 { // as a journal is read
		check(offset, 512)
	}
	for range 500 {
		offset := rand.IntN(size)
		check(offset, rand.IntN(size-offset+1))
	}
}

func TestReadBehindTheEndFails(t *testing.T) {
	path, _ := patterned(t, 2*pageSize)
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, offset := range []int64{pageSize + 1, 2 * pageSize, 1 << 40} {
		if n, err := d.ReadAt(make([]byte, pageSize), offset); err == nil {
			t.Errorf("at %d: %d bytes read and no error", offset, n)
		}
	}
}

// As superblocks and group descriptors of two volumes are.
func TestTwoPlacesReadInTurnAreReadOnce(t *testing.T) {
	path, content := patterned(t, 4*bufferSize)
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	read := func(offset int) {
		t.Helper()
		p := make([]byte, 512)
		if _, err := d.ReadAt(p, int64(offset)); err != nil || !bytes.Equal(p, content[offset:][:512]) {
			t.Errorf("at %d: read anew, or %v", offset, err)
		}
	}
	places := []int{0, 2 * bufferSize}
	for _, at := range places {
		read(at)
	}
	if err := os.WriteFile(path, make([]byte, len(content)), 0o600); err != nil {
		t.Fatal(err)
	}
	for offset := 0; offset < pageSize; offset += 512 {
		for _, at := range places {
			read(at + offset)
		}
	}
}
