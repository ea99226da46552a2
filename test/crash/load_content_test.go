//go:build soak

package crash

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestLoadAMillionFiles unpacks them into one layer and compares it with an
// empty one.
func TestLoadAMillionFiles(t *testing.T) {
	count := scaled(t, 1_000_000)
	loaded(t, func(d *daemon) {
		requireNoError(t, d.create("many", "", ""))
		took(t, "files unpacked", count, func() { requireNoError(t, d.fill("many", manyFiles(count))) })
		dir, err := d.get("many")
		requireNoError(t, err)
		found := 0
		requireNoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				found++
			}
			return err
		}))
		if found != count {
			t.Errorf("%d of %d files are there", found, count)
		}
		requireNoError(t, d.put("many"))
		requireNoError(t, d.create("child", "many", ""))
		requireNoError(t, d.perform(operation{verb: write, layer: "child", files: map[string]string{"new": "x"}}))
		var answer struct{ Changes []struct{ Path string } }
		took(t, "one change among them", 1, func() {
			requireNoError(t, d.Call("Changes", map[string]string{"ID": "child", "Parent": "many"}, &answer))
		})
		if len(answer.Changes) != 1 {
			t.Errorf("the changes are %v", answer.Changes)
		}
		figure(t, "daemon", "RSS %d KiB", daemonUse(t, d).rss)
	})
}

// manyFiles is a tar of files of a few bytes, a thousand in a folder.
func manyFiles(count int) io.Reader {
	r, w := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<20)
		stream := tar.NewWriter(buffered)
		var err error
		for n := 0; n < count && err == nil; n++ {
			err = stream.WriteHeader(&tar.Header{Name: fmt.Sprintf("%03d/%03d", n/1000, n%1000), Mode: 0o644, Size: 4})
			if err == nil {
				_, err = stream.Write([]byte("file"))
			}
		}
		w.CloseWithError(errors.Join(err, stream.Close(), buffered.Flush()))
	}()
	return r
}

// TestLoadALargeSparseFile has 100 GB of which three pieces are written, in a
// container and, by a tar of GNU's, in an image.
func TestLoadALargeSparseFile(t *testing.T) {
	size := int64(scaled(t, 100)) * 1e9 // whoever unpacks reads all of its zeros
	loaded(t, func(d *daemon) {
		requireNoError(t, d.create("sparse", "", ""))
		dir, err := d.get("sparse")
		requireNoError(t, err)
		f, err := os.Create(filepath.Join(dir, "disk.img"))
		requireNoError(t, err)
		for _, at := range []int64{0, size / 2, size - 4} {
			_, err := f.WriteAt([]byte("data"), at)
			requireNoError(t, err)
		}
		requireNoError(t, errors.Join(f.Sync(), f.Close()))
		requireNoError(t, d.create("copy", "", ""))
		packed := exec.Command("tar", "--create", "--sparse", "--directory", dir, "disk.img")
		out, err := packed.StdoutPipe()
		requireNoError(t, err)
		requireNoError(t, packed.Start())
		took(t, "GB unpacked, sparse", int(size/1e9), func() { requireNoError(t, d.fill("copy", out)) })
		requireNoError(t, packed.Wait())
		requireNoError(t, d.put("sparse"))
		dir, err = d.get("copy")
		requireNoError(t, err)
		info, err := os.Stat(filepath.Join(dir, "disk.img"))
		requireNoError(t, err)
		if took := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != size || took > 1<<20 {
			t.Errorf("the copy has %d bytes and takes %d", info.Size(), took)
		}
		requireNoError(t, d.put("copy"))
		status, err := d.admin().Status(t.Context())
		requireNoError(t, err)
		figure(t, "data used, bytes", "%d", status.Pool.DataUsed)
	})
}

// TestLoadManyMountsAtOnce has 200 containers start at the same moment.
func TestLoadManyMountsAtOnce(t *testing.T) {
	count := scaled(t, 200)
	loaded(t, func(d *daemon) {
		for n := range count {
			requireNoError(t, d.create(fmt.Sprintf("m%03d", n), "", ""))
		}
		dirs := make([]string, count)
		took(t, "layers got at once", count, func() {
			var all errgroup.Group
			for n := range count {
				all.Go(func() (err error) {
					dirs[n], err = d.get(fmt.Sprintf("m%03d", n))
					return err
				})
			}
			requireNoError(t, all.Wait())
		})
		for n, dir := range dirs {
			requireNoError(t, os.WriteFile(filepath.Join(dir, "name"), fmt.Append(nil, n), 0o600))
		}
		for n, dir := range dirs {
			if got, err := os.ReadFile(filepath.Join(dir, "name")); err != nil || string(got) != fmt.Sprint(n) {
				t.Errorf("layer %d holds %q, %v", n, got, err)
			}
		}
		took(t, "layers put at once", count, func() {
			var all errgroup.Group
			for n := range count {
				all.Go(func() error { return d.put(fmt.Sprintf("m%03d", n)) })
			}
			requireNoError(t, all.Wait())
		})
	})
}
