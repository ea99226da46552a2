package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWorkDirsOfTheLivingAreKeptAndThoseOfTheDeadDeleted(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "run")
	living, remove, err := newWorkDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(parent, "dead")
	if err := os.MkdirAll(filepath.Join(dead, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	other, removeOther, err := newWorkDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer removeOther()
	if other == living {
		t.Error("two sessions share a folder")
	}
	if _, err := os.Stat(living); err != nil {
		t.Errorf("a session in progress lost its folder: %v", err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("what a killed process left behind is still there")
	}
	remove()
	if _, err := os.Stat(living); err == nil {
		t.Error("an ended session left its folder behind")
	}
}
