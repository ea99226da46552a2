package main

import (
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/admin"
)

func TestLayerIsFoundByItsUniqueBeginning(t *testing.T) {
	state := readyDaemon().start(t)
	for name, want := range map[string]string{
		imageID:               imageID,
		"4f5":                 imageID,
		oddID[:3]:             oddID,
		containerID:           containerID,
		containerID + "-init": containerID + "-init",
		"aaaa":                containerID, // the container, not its init layer
		containerID + "-":     containerID + "-init",
	} {
		got := dmthin(t, "inspect", name, "--state", state)
		if got.code != exitOK || strings.Fields(got.out)[1] != want {
			t.Errorf("inspect %s: exit %d %s%s, want %s", name, got.code, got.out, got.errOut, want)
		}
	}
}

func TestAmbiguousBeginningListsTheCandidates(t *testing.T) {
	d := &daemon{}
	for _, end := range strings.Split("a b c d e f g h i j", " ") {
		d.layers = append(d.layers, admin.Layer{ID: "abc" + end})
	}
	got := dmthin(t, "inspect", "abc", "--state", d.start(t))
	want := `dmthin: "abc" is the beginning of 10 layers: abca, abcb, abcc, abcd, abce, abcf, abcg, abch, and 2 more` + "\n"
	if got.code != exitFailure || got.errOut != want {
		t.Errorf("exit %d, stderr %q; want 1 and %q", got.code, got.errOut, want)
	}
}

func TestShortIDsStayDistinct(t *testing.T) {
	for id, want := range map[string]string{
		imageID:               "4f5e6d7c8b9a",
		containerID + "-init": "aaaa6d7c8b9a-init",
		oddID:                 oddID,
		"short":               "short",
	} {
		if got := shortID(id); got != want {
			t.Errorf("shortID(%q) = %q, want %q", id, got, want)
		}
	}
}
