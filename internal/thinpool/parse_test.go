package thinpool

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPoolStatusIsReadWhole(t *testing.T) {
	tests := []struct {
		name, params string
		want         Status
	}{
		{"fresh pool, Linux 6.12", "0 3299/32768 0/16384 - rw discard_passdown queue_if_no_space - 1024 ", Status{
			MetadataUsed: 3299, MetadataTotal: 32768, DataTotal: 16384,
			Mode: ModeReadWrite, DiscardPassdown: true, MetadataLowWater: 1024,
		}},
		{"metadata snapshot held, other policies", "18446744073709551615 1/2 3/4 77 ro no_discard_passdown error_if_no_space needs_check 5", Status{
			TransactionID: 1<<64 - 1, MetadataUsed: 1, MetadataTotal: 2, DataUsed: 3, DataTotal: 4, HeldRoot: 77,
			Mode: ModeReadOnly, ErrorIfNoSpace: true, NeedsCheck: true, MetadataLowWater: 5,
		}},
		{"full", "9 1/2 4/4 - out_of_data_space ignore_discard queue_if_no_space - 5", Status{
			TransactionID: 9, MetadataUsed: 1, MetadataTotal: 2, DataUsed: 4, DataTotal: 4, Mode: ModeOutOfDataSpace, MetadataLowWater: 5,
		}},
		{"before Linux 4.3: neither needs_check nor low water", "1 1/2 3/4 - rw discard_passdown queue_if_no_space", Status{
			TransactionID: 1, MetadataUsed: 1, MetadataTotal: 2, DataUsed: 3, DataTotal: 4, Mode: ModeReadWrite, DiscardPassdown: true,
		}},
		{"fields of a later kernel", "1 1/2 3/4 - rw discard_passdown queue_if_no_space - 5 more", Status{
			TransactionID: 1, MetadataUsed: 1, MetadataTotal: 2, DataUsed: 3, DataTotal: 4, Mode: ModeReadWrite, DiscardPassdown: true, MetadataLowWater: 5,
		}},
		{"failed", "Fail", Status{Mode: ModeFailed}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parsePoolStatus(tt.params)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestMalformedPoolStatusIsRefused(t *testing.T) {
	for params, complaint := range map[string]string{
		"":      "too short",
		"Error": "could not read",
		"1 1/2": "too short",
		"x 1/2 3/4 - rw discard_passdown queue_if_no_space - 5":             "transaction ID",
		"1 1-2 3/4 - rw discard_passdown queue_if_no_space - 5":             "metadata usage",
		"1 1/2 3/x - rw discard_passdown queue_if_no_space - 5":             "total data",
		"1 1/2 3/4 x rw discard_passdown queue_if_no_space - 5":             "held root",
		"1 1/2 3/4 - broken discard_passdown queue_if_no_space - 5":         `unknown mode "broken"`,
		"1 1/2 3/4 - rw perhaps queue_if_no_space - 5":                      `unknown word "perhaps"`,
		"1 1/2 3/4 - rw discard_passdown perhaps - 5":                       `unknown word "perhaps"`,
		"1 1/2 3/4 - rw discard_passdown queue_if_no_space perhaps 5":       `unknown word "perhaps"`,
		"1 1/2 3/4 - rw discard_passdown queue_if_no_space - -5":            "low water",
		"1 1/2 3/4 - Fail discard_passdown queue_if_no_space needs_check 5": `unknown mode "Fail"`,
	} {
		_, err := parsePoolStatus(params)
		if err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: got %v, want one that says %q", params, err, complaint)
		}
	}
}

func TestThinStatusGivesMappedSectors(t *testing.T) {
	for params, want := range map[string]uint64{"0 -": 0, "128 2047": 128} {
		if got, err := parseThinStatus(params); err != nil || got != want {
			t.Errorf("%q: got %d, %v", params, got, err)
		}
	}
	if _, err := parseThinStatus("Fail"); !errors.Is(err, ErrFailed) {
		t.Errorf("Fail: got %v", err)
	}
	for _, params := range []string{"", "-", "x -", "1 x", "Error"} {
		if _, err := parseThinStatus(params); err == nil {
			t.Errorf("%q is accepted", params)
		}
	}
}

func FuzzPoolStatus(f *testing.F) {
	f.Add("0 3299/32768 0/16384 - rw discard_passdown queue_if_no_space - 1024 ")
	f.Add("1 1/2 3/4 77 ro no_discard_passdown error_if_no_space needs_check 5")
	f.Add("Fail")
	f.Add("Error")
	f.Add("1 / / - rw discard_passdown queue_if_no_space")
	f.Fuzz(func(t *testing.T, params string) {
		status, err := parsePoolStatus(params)
		if err != nil {
			if status != (Status{}) {
				t.Errorf("error %v comes with %+v", err, status)
			}
			return
		}
		// What was read must stand in the line, and decide what Check says.
		if !strings.Contains(params, string(status.Mode)) || status.Mode == "" {
			t.Errorf("mode %q out of nothing", status.Mode)
		}
		if healthy := status.Mode == ModeReadWrite && !status.NeedsCheck; healthy != (status.Check() == nil) {
			t.Errorf("Check of %+v: %v", status, status.Check())
		}
	})
}
