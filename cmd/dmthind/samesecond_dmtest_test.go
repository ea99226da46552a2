//go:build dmtest

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/plugin"
)

// Two steps of a build may well fall into one second, and a layer's tar has whole
// seconds.
//
//vm:once
func TestABuildStepInTheSecondOfTheOneBeforeLosesNoChange(t *testing.T) {
	h := newOperatorHost(t)
	second := time.Unix(1_700_000_000, 0)
	var stream bytes.Buffer
	w := tar.NewWriter(&stream)
	for _, name := range []string{"changed", "replaced", "same"} {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: 1, ModTime: second})
		if _, writeErr := w.Write([]byte("1")); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	h.create(t, "step1", "")
	if _, err := h.d.ApplyDiff(t.Context(), "step1", "", &stream); err != nil {
		t.Fatal(err)
	}
	h.create(t, "step2", "step1")
	dir := h.get(t, "step2")
	later := second.Add(400 * time.Millisecond)
	for _, name := range []string{"changed", "new"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("2"), 0o644), os.Chtimes(path, later, later)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "replaced")); err != nil {
		t.Fatal(err)
	}
	h.put(t, "step2")
	got, err := h.d.Changes(t.Context(), "step2", "step1")
	if err != nil {
		t.Fatal(err)
	}
	want := []plugin.Change{{Path: "/changed", Kind: plugin.Modified}, {Path: "/replaced", Kind: plugin.Modified}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
