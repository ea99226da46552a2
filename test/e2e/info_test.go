//go:build e2e

package e2e

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// infoFormats are the lines of Docker's own driver in its order, with the
// formats that scripts parse.
var infoFormats = [][2]string{
	{"Pool Name", `dmthin-.+-pool`},
	{"Pool Blocksize", `65\.54kB`},
	{"Base Device Size", `1\.074GB`},
	{"Backing Filesystem", `ext4`},
	{"Udev Sync Supported", `true`},
	{"Data file", `/dev/loop\d+`},
	{"Metadata file", `/dev/loop\d+`},
	{"Data loop file", `/.+/dmthin/devicemapper/data`},
	{"Metadata loop file", `/.+/dmthin/devicemapper/metadata`},
	{"Data Space Used", sizeFormat},
	{"Data Space Total", `6\.442GB`},
	{"Data Space Available", sizeFormat},
	{"Metadata Space Used", sizeFormat},
	{"Metadata Space Total", `134\.2MB`},
	{"Metadata Space Available", sizeFormat},
	{"Thin Pool Minimum Free Space", `644\.\dMB`},
	{"Deferred Removal Enabled", `true`},
	{"Deferred Deletion Enabled", `true`},
	{"Deferred Deleted Device Count", `0`},
	{"Library Version", `1\.02\.\d+ \(\d{4}-\d\d-\d\d\)`},
}

const sizeFormat = `\d+(\.\d+)?[kMG]?B`

func infoLines(t *testing.T, s *stack) {
	driver, rows := s.info(t)
	if driver != "dmthin" {
		t.Errorf("driver %q", driver)
	}
	var want, got []string
	for _, f := range infoFormats {
		want = append(want, f[0])
	}
	for _, row := range rows {
		got = append(got, row[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("keys (-want +got):\n%s", diff)
	}
	for i, f := range infoFormats {
		if value := rows[i][1]; !regexp.MustCompile("^" + f[1] + "$").MatchString(value) {
			t.Errorf("%s: %q does not match %q", f[0], value, f[1])
		}
	}
}
