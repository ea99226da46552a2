package config

import (
	"errors"
	"strings"
	"testing"
)

func TestLayerSizeIsRead(t *testing.T) {
	for _, tc := range []struct {
		given map[string]string
		want  int64
	}{
		{nil, 0},
		{map[string]string{}, 0},
		{map[string]string{"size": "20G"}, 20 << 30},
		{map[string]string{"SIZE": " 50m "}, 50 << 20},
		{map[string]string{" Size ": "16MiB"}, 16 << 20},
		{map[string]string{"size": "0"}, 0},
		{map[string]string{"size": "16777217"}, 16 << 20},
	} {
		if got, err := ParseLayerSize(tc.given); err != nil || got != tc.want {
			t.Errorf("%v: %d, %v; want %d", tc.given, got, err, tc.want)
		}
	}
}

func TestBadLayerSizeIsRefusedByValue(t *testing.T) {
	for value, reason := range map[string]string{
		"": "not a size", "big": "not a size", "-5G": "not a size", "15M": "too small", "100": "too small", "1": "too small",
		"1e30P": "too large",
	} {
		_, err := ParseLayerSize(map[string]string{"size": value})
		var bad *ValueError
		if !errors.As(err, &bad) || bad.Option != "size" || bad.Value != value || bad.Reason != reason || !strings.Contains(bad.Accepts, "16MiB") {
			t.Errorf("size=%q: error %v, want %q", value, err, reason)
		}
	}
}

func TestOnlyTheSizeOfAContainerCanBeSet(t *testing.T) {
	for range 20 { // maps have no order; the error must
		_, err := ParseLayerSize(map[string]string{"size": "x", "dm.basesize": "20G", "inodes": "5"})
		if !errors.Is(err, ErrUnknownOption) || !strings.Contains(err.Error(), `"dm.basesize"`) {
			t.Fatalf("error %v", err)
		}
	}
}

func TestLayerSizeGivenTwiceIsRefused(t *testing.T) {
	_, err := ParseLayerSize(map[string]string{"size": "20G", "Size": "30G"})
	if err == nil || !strings.Contains(err.Error(), `"Size"`) || !strings.Contains(err.Error(), `"size"`) {
		t.Errorf("error %v", err)
	}
}
