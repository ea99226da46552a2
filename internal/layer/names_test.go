package layer

import (
	"strings"
	"testing"
)

func TestDeviceNamesAreWhatDeviceMapperTakesAndNeverAnotherOfOurs(t *testing.T) {
	n := names{prefix: "dmthin-0123abcd"}
	const digest = 32
	for id, want := range map[string]string{
		"":                                "base",
		"layer":                           "layer",
		"A.b-c_9":                         "A.b-c_9",
		"poolside":                        "poolside",
		"deleted":                         "deleted",
		strings.Repeat("a", 64):           strings.Repeat("a", 64),
		strings.Repeat("a", 101):          strings.Repeat("a", 101),
		strings.Repeat("a", 102):          "x-",
		"pool":                            "x-",
		"base":                            "x-",
		"deleted-3":                       "x-",
		"x-ray":                           "x-",
		"-a":                              "x-",
		".a":                              "x-",
		"_a":                              "x-",
		"a b":                             "x-",
		"a/b":                             "x-",
		"a\n":                             "x-",
		"ä":                               "x-",
		"a\xff":                           "x-",
		"base-init":                       "base-init",
		strings.Repeat("b", 64) + "-init": strings.Repeat("b", 64) + "-init",
	} {
		got, ours := strings.CutPrefix(n.device(id), n.prefix+"-")
		if want == "x-" {
			sum, hashed := strings.CutPrefix(got, "x-")
			if !ours || !hashed || len(sum) != digest {
				t.Errorf("the device of %q is called %q, want a digest", id, got)
			}
			continue
		}
		if !ours || got != want {
			t.Errorf("the device of %q is called %q, want %q", id, got, want)
		}
	}
}
