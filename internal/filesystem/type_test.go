package filesystem

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestParseType(t *testing.T) {
	for _, s := range []string{"ext4", "xfs"} {
		if got, err := ParseType(s); err != nil || string(got) != s {
			t.Errorf("ParseType(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "btrfs", "EXT4", "xfs "} {
		if _, err := ParseType(s); !errors.Is(err, ErrUnsupported) {
			t.Errorf("ParseType(%q): error = %v, want ErrUnsupported", s, err)
		}
	}
}

func TestProbeFindsNoFilesystem(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": nil, "short": []byte("XFS"), "zeros": make([]byte, 8192), "text": bytes.Repeat([]byte("x"), 8192),
	} {
		path := filepath.Join(t.TempDir(), "device")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Probe(path); !errors.Is(err, ErrNoFilesystem) {
			t.Errorf("%s: Probe() = %q, %v; want ErrNoFilesystem", name, got, err)
		}
		if got, err := UUID(t.Context(), path); !errors.Is(err, ErrNoFilesystem) {
			t.Errorf("%s: UUID() = %q, %v; want ErrNoFilesystem", name, got, err)
		}
	}
}

func TestProbeOfAMissingDevice(t *testing.T) {
	if _, err := Probe("/dev/no-such-device"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want not-exist", err)
	}
}
