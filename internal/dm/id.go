package dm

import (
	"fmt"
	"strings"
)

// Longest name and UUID that the kernel stores, in bytes.
const (
	MaxNameLen = 127
	MaxUUIDLen = 128
)

// ID addresses a device. When UUID is set the kernel looks the device up by
// it, and Name only serves error texts: a call then can't hit another device
// that has taken the name in the meantime.
type ID struct {
	Name string
	UUID string
}

func (id ID) String() string {
	if id.Name != "" {
		return id.Name
	}
	return id.UUID
}

// Validate reports names and UUIDs that libdevmapper would refuse, cut or
// rewrite with escapes.
func (id ID) Validate() error {
	if id.Name == "" || id.Name == "." || id.Name == ".." {
		return fmt.Errorf("%q is no name for a device", id.Name)
	}
	if len(id.Name) > MaxNameLen || len(id.UUID) > MaxUUIDLen {
		return fmt.Errorf("device name %q or UUID %q is longer than %d or %d bytes", id.Name, id.UUID, MaxNameLen, MaxUUIDLen)
	}
	for _, s := range []string{id.Name, id.UUID} {
		if i := strings.IndexFunc(s, escaped); i >= 0 {
			return fmt.Errorf("device name or UUID %q holds %q: only letters, digits and #+-.:=@_ are possible", s, s[i])
		}
	}
	return nil
}

// escaped reports what libdevmapper writes as \xNN in names.
func escaped(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("#+-.:=@_", r)
}
