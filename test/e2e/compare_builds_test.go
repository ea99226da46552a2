//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// makeImages makes the same changes to an image in every way.
func makeImages(t *testing.T, s side) {
	s.run(t, "run", "--network", "none", "--name", "changed", "changed", "sh", "/change/first", "commit")
	s.run(t, "commit", "changed", s.name("commit"))
	s.run(t, "rm", "changed")
	build := func(kind, builder string) {
		context := tarOf(t, append(contextFiles(), regular("Dockerfile", fmt.Sprintf(changedDockerfile, kind)))...)
		s.runWith(t, []string{builder}, bytes.NewReader(context), "build", "-q", "--network", "none", "-t", s.name(kind), "-")
	}
	build("classic", "DOCKER_BUILDKIT=0")
	build("buildkit", "DOCKER_BUILDKIT=1")
}

// contextFiles are what the builders copy from their user.
func contextFiles() []tarFile {
	odd := regular("context/odd", "odd")
	odd.Mode = 0o4751
	return []tarFile{directory("context/"), odd, directory("context/dir/"), regular("context/dir/file", ""), symlink("context/link", "odd")}
}

// layersHaveTheSameEntries compares the tars that the drivers made of the
// layers when they were new; docker save gives them out byte for byte.
func layersHaveTheSameEntries(t *testing.T, c *comparison) {
	ours, theirs := savedTars(t, c.dmthin.saved()), savedTars(t, c.overlay2.saved())
	for kind, added := range kinds {
		t.Run(kind, func(t *testing.T) {
			ours, theirs := ours[c.dmthin.name(kind)], theirs[c.overlay2.name(kind)]
			if len(ours) != added+1 || len(theirs) != added+1 {
				t.Fatalf("%d layers on dmthin, %d on overlay2; want %d", len(ours), len(theirs), added+1)
			}
			below := readLayerTar(t, ours[0], c.run)
			for i := 1; i <= added; i++ {
				want := readLayerTar(t, theirs[i], c.run).explicit(below)
				got := readLayerTar(t, ours[i], c.run)
				if i == 1 {
					requireFirstChanges(t, want)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("layer %d (-overlay2 +dmthin):\n%s", i, diff)
				}
				below = got.onto(below)
			}
		})
	}
}

// requireFirstChanges looks for some of what the first script does: two tars
// that both lack it would be equal.
func requireFirstChanges(t *testing.T, layer layerTar) {
	t.Helper()
	for name, text := range map[string]string{
		"data/removed":                     whiteout,
		"data/opaque/gone-dir":             whiteout,
		"data/opaque/sub/gone":             whiteout,
		"data/setuid":                      "mode 6755",
		"data/owner":                       "owner 1000:70000",
		"data/time":                        "time 1970-01-02T00:00:00Z",
		"data/replaced":                    "time 2100-01-01T00:00:01Z",
		"data/capable-kept":                " security.capability=0100000200200000",
		"data/capable-new":                 " security.capability=",
		"data/hard/two":                    `names ["data/added" "data/hard-one" "data/hard/two"]`,
		"data/wide":                        "device 4095:1048575",
		"data/device-to-device":            "type 4",
		"data/dangling":                    `to "nowhere"`,
		"data/sparse":                      "size 4194308",
		"data/not \xff\xfe utf-8":          "time 2020-02-02T02:02:02Z",
		"data/" + strings.Repeat("0", 200): "type 0",
	} {
		if !strings.Contains(layer[name], text) {
			t.Errorf("the script made %q of %q, want %q", layer[name], name, text)
		}
	}
}
