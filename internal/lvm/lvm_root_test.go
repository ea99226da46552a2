//go:build roottest

package lvm

import (
	"errors"
	"testing"
)

func TestWhatIsNotThereIsToldApart(t *testing.T) {
	l := New(Config{})
	if _, err := l.LogicalVolume(t.Context(), "no-such-group", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if err := l.Run(t.Context(), RemoveVG("no-such-group")); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	var missing *MissingToolError
	if err := CheckTools("lvs", "thin_nosuch"); !errors.As(err, &missing) || missing.Program != "thin_nosuch" {
		t.Errorf("error %v", err)
	}
}
