package lvm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Policy is when and by how much LVM extends a pool by itself.
type Policy struct {
	Threshold int // percent in use above which it does; 100 for never. LVM takes less than 50 for 50
	Percent   int // of the pool's size
}

// Disabled tells that LVM never extends.
func (p Policy) Disabled() bool { return p.Threshold >= 100 }

// ProfileText is a metadata profile with this policy.
func (p Policy) ProfileText() string {
	return fmt.Sprintf("activation {\n\tthin_pool_autoextend_threshold=%d\n\tthin_pool_autoextend_percent=%d\n}\n", p.Threshold, p.Percent)
}

// settings is the policy as --config takes it, which comes before every
// profile.
func (p Policy) settings() string {
	return fmt.Sprintf("activation{thin_pool_autoextend_threshold=%d thin_pool_autoextend_percent=%d}", p.Threshold, p.Percent)
}

// ProfilePath is the file of a profile.
func (l *LVM) ProfilePath(name string) string { return filepath.Join(l.ProfileDir(), name+".profile") }

// WriteProfile writes a metadata profile, durably. The same text again changes
// nothing.
func (l *LVM) WriteProfile(name string, p Policy) error {
	path := l.ProfilePath(name)
	if old, err := os.ReadFile(path); err == nil && string(old) == p.ProfileText() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write LVM profile: %w", err)
	}
	if err := replaceFile(path, p.ProfileText()); err != nil {
		return fmt.Errorf("write LVM profile: %w", err)
	}
	return nil
}

func replaceFile(path, content string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".profile-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(content)
	// Profiles are no secret: LVM's own are readable by all.
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

var (
	thresholdLine = regexp.MustCompile(`(?m)^\s*thin_pool_autoextend_threshold\s*=\s*(\d+)`)
	percentLine   = regexp.MustCompile(`(?m)^\s*thin_pool_autoextend_percent\s*=\s*(\d+)`)
)

// readProfile returns the policy of a profile; what it doesn't say stays as in
// p. ok is false where there is no such profile here.
func (l *LVM) readProfile(name string, p Policy) (_ Policy, ok bool, err error) {
	text, err := os.ReadFile(l.ProfilePath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read LVM profile: %w", err)
	}
	return p.merge(text), true, nil
}

// merge takes over what a configuration text says. Words in it that are no
// numbers are LVM's to complain about.
func (p Policy) merge(text []byte) Policy {
	for _, line := range []struct {
		pattern *regexp.Regexp
		value   *int
	}{{thresholdLine, &p.Threshold}, {percentLine, &p.Percent}} {
		if m := line.pattern.FindSubmatch(text); m != nil {
			if n, err := strconv.Atoi(string(m[1])); err == nil {
				*line.value = n
			}
		}
	}
	return p
}
