package diff

import (
	"archive/tar"
	"bytes"
	"os"
	"testing"
	"time"
)

// tarball builds tars by hand, as no sane tool would.
type tarball struct {
	t   fataler
	buf bytes.Buffer
	tw  *tar.Writer
}

func newTarball(t fataler) *tarball {
	b := &tarball{t: t}
	b.tw = tar.NewWriter(&b.buf)
	return b
}

// add fills in what a test doesn't care about: an owner the test may set, and a
// time.
func (b *tarball) add(h tar.Header, content string) *tarball {
	b.t.Helper()
	h.Size = int64(len(content))
	if h.ModTime.IsZero() {
		h.ModTime = time.Unix(1_600_000_000, 0)
	}
	if h.Mode == 0 {
		h.Mode = 0o755
	}
	h.Uid += os.Geteuid()
	h.Gid += os.Getegid()
	if err := b.tw.WriteHeader(&h); err != nil {
		b.t.Fatalf("tar header %q: %v", h.Name, err)
	}
	if _, err := b.tw.Write([]byte(content)); err != nil {
		b.t.Fatalf("tar content %q: %v", h.Name, err)
	}
	return b
}

func (b *tarball) dir(name string) *tarball {
	return b.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/"}, "")
}

func (b *tarball) file(name, content string) *tarball {
	return b.add(tar.Header{Typeflag: tar.TypeReg, Name: name}, content)
}

func (b *tarball) symlink(name, target string) *tarball {
	return b.add(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}, "")
}

func (b *tarball) link(name, target string) *tarball {
	return b.add(tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}, "")
}

func (b *tarball) fifo(name string) *tarball {
	return b.add(tar.Header{Typeflag: tar.TypeFifo, Name: name}, "")
}

// bytes ends the archive.
func (b *tarball) bytes() []byte {
	b.t.Helper()
	if err := b.tw.Close(); err != nil {
		b.t.Fatalf("end of tar: %v", err)
	}
	return b.buf.Bytes()
}

func apply(t testing.TB, dir string, tarball []byte) (int64, error) {
	t.Helper()
	return Apply(t.Context(), dir, bytes.NewReader(tarball), ownIDs())
}

func mustApply(t testing.TB, dir string, tarball []byte) {
	t.Helper()
	if _, err := apply(t, dir, tarball); err != nil {
		t.Fatal(err)
	}
}
