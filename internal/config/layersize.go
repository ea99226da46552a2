package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ParseLayerSize reads the options of docker run --storage-opt. There is one,
// size, in bytes; the key's case doesn't matter. 0 means not given: the layer
// is as large as its parent.
func ParseLayerSize(storageOpt map[string]string) (size int64, err error) {
	used := ""
	// In order, so that of two bad options it is always the same one's error.
	for _, key := range slices.Sorted(maps.Keys(storageOpt)) {
		if strings.ToLower(strings.TrimSpace(key)) != "size" {
			return 0, fmt.Errorf("%w %q; accepted: size", ErrUnknownOption, key)
		}
		if used != "" {
			return 0, fmt.Errorf("storage option size is given as %q and as %q; keep one", used, key)
		}
		used = key
		if size, err = layerSize(strings.TrimSpace(storageOpt[key])); err != nil {
			return 0, err
		}
	}
	return size, nil
}

func layerSize(value string) (int64, error) {
	size, reason := parseSize(value, 0)
	if reason == "" && size > 0 && size < minExt4 {
		reason = "too small"
	}
	if reason != "" {
		return 0, &ValueError{
			Option: "size", Value: value, Reason: reason,
			Accepts: FormatSize(minExt4) + " or more, for example 20G; 0 for the image's size",
		}
	}
	return size, nil
}
