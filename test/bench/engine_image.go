package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	imageName = "bench:latest"
	shell     = "/bin/busybox"
)

// writeImage makes an archive for docker load: one layer of a static shell, the
// program, and a tree of so many files.
func writeImage(path, program string, files int) (err error) {
	dir := filepath.Dir(path)
	layer := filepath.Join(dir, "layer.tar")
	defer func() { err = errors.Join(err, os.Remove(layer)) }()
	sum, err := writeLayer(layer, program, files)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": madeAt,
		"config": map[string]any{"Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{imageName}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	t := tar.NewWriter(f)
	return errors.Join(
		addBytes(t, "config.json", config), addBytes(t, "manifest.json", manifest), addFile(t, "layer.tar", layer, 0o644),
		t.Close(), f.Close())
}

// writeLayer returns the layer's digest.
func writeLayer(path, program string, files int) (sum string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	t := tar.NewWriter(io.MultiWriter(f, hash))
	err = errors.Join(
		t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755, ModTime: madeAt}),
		addFile(t, "bin/busybox", program, 0o755),
		t.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/sh", Linkname: "busybox", ModTime: madeAt}),
		addTree(t, files), t.Close(), f.Close())
	return fmt.Sprintf("%x", hash.Sum(nil)), err
}

func addBytes(t *tar.Writer, name string, content []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: madeAt}); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}

func addFile(t *tar.Writer, name, path string, mode int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: info.Size(), ModTime: madeAt}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
