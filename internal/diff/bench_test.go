package diff

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	archive "github.com/moby/go-archive"
)

// benchLayers makes a parent of many files and a layer in which few differ.
func benchLayers(b *testing.B, files, changed int) (layer, parent string) {
	b.Helper()
	layer, parent = b.TempDir(), b.TempDir()
	at := time.Unix(1_600_000_000, 0)
	for _, top := range []string{layer, parent} {
		for i := range files {
			name := fmt.Sprintf("%s/%02d/%02d/%04d", top, i%10, i%100/10, i)
			write(b, name, "content")
			if err := os.Chtimes(name, at, at); err != nil {
				b.Fatal(err)
			}
		}
	}
	for i := range changed {
		write(b, fmt.Sprintf("%s/%02d/%02d/%04d", layer, i%10, i%100/10, i), "changed")
	}
	return layer, parent
}

func BenchmarkChanges(b *testing.B) {
	layer, parent := benchLayers(b, 5000, 10)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if _, err := Changes(context.Background(), layer, parent); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("docker", func(b *testing.B) {
		for b.Loop() {
			if _, err := archive.ChangesDirs(layer, parent); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWriteAll(b *testing.B) {
	layer, _ := benchLayers(b, 5000, 0)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if err := WriteAll(context.Background(), io.Discard, layer, IDMaps{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("docker", func(b *testing.B) {
		for b.Loop() {
			r, err := archive.TarWithOptions(layer, &archive.TarOptions{})
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	layer, _ := benchLayers(b, 5000, 0)
	var stream bytes.Buffer
	if err := WriteAll(context.Background(), &stream, layer, IDMaps{}); err != nil {
		b.Fatal(err)
	}
	unpack := func(b *testing.B, apply func(dir string, r io.Reader) (int64, error)) {
		for b.Loop() {
			b.StopTimer()
			dir := b.TempDir()
			b.StartTimer()
			if _, err := apply(dir, bytes.NewReader(stream.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("ours", func(b *testing.B) {
		unpack(b, func(dir string, r io.Reader) (int64, error) {
			return Apply(context.Background(), dir, r, IDMaps{})
		})
	})
	b.Run("docker", func(b *testing.B) {
		unpack(b, func(dir string, r io.Reader) (int64, error) {
			return archive.ApplyUncompressedLayer(dir, r, &archive.TarOptions{})
		})
	})
}
