package admin

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Scripts depend on these keys. A failure here that only adds lines is a new
// field: run with -update. Any other is a break of the promise in the package
// comment.
func TestJSONKeysAndUnitsStayAsTheyAre(t *testing.T) {
	tests := map[string]any{
		"version":   fullVersion,
		"status":    fullStatus,
		"layer":     fullLayer,
		"layers":    LayerList{Layers: []Layer{fullLayer}},
		"log-level": LogLevel{Level: "debug"},
		"health":    Health{Status: "ok"},
		"error":     ErrorBody{Error: "no such layer: x", Kind: KindNoLayer},
		"check": CheckReport{
			Online: true, TransactionID: 42, Layers: 3, Devices: 4, MetadataChecked: true, FilesystemsChecked: 2,
			Findings: []Finding{{Severity: SeverityError, Kind: "lost_device", Subject: "layer x", Message: "its device is gone"}},
		},
		"collect": CollectReport{Garbage: []Garbage{{Layer: "x", Leaked: true, DeviceID: 7, Mapped: 65536, Deleted: true, Kept: "mounted"}}},
		"trim":    TrimReport{Layers: []Trimmed{{Layer: "x", Bytes: 1 << 20, Error: "not mounted"}}, PoolBytes: 1 << 30, Freed: 1 << 19},
		"resize":  ResizeReport{DataBefore: 1 << 30, Data: 2 << 30, MetadataBefore: 1 << 20, Metadata: 2 << 20},
		"held":    Held{ID: "x", Device: "/dev/dm-3", Filesystem: "ext4", Root: "rootfs"},
		"backup": BackupManifest{
			Format: 1, Made: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), PoolID: "4f1c2a3b", TransactionID: 42,
			BaseUUID: "0b9a", Files: map[string]string{"identity.json": "00ff"},
		},
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			requireFull(t, name, reflect.ValueOf(value))
			got, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-golden +got:\n%s", diff)
			}
		})
	}
}

// requireFull fails where a field has its zero value: a key that the golden
// file doesn't really show.
func requireFull(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.IsZero() {
		t.Errorf("%s is not set in the test's value", path)
		return
	}
	if v.Kind() != reflect.Struct || v.Type().PkgPath() == "time" {
		return
	}
	for i := range v.NumField() {
		requireFull(t, path+"."+v.Type().Field(i).Name, v.Field(i))
	}
}

// An absent key and a zero are different things to a script.
func TestEveryKeyIsPresentEvenWhenEmpty(t *testing.T) {
	for _, value := range []any{Version{}, Status{}, Layer{}, LayerList{}, ErrorBody{},
		Finding{}, CheckReport{}, Garbage{}, CollectReport{}, Trimmed{}, TrimReport{}, ResizeReport{}, Held{}, Done{}, BackupManifest{}} {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		if err := json.Unmarshal(raw, &keys); err != nil {
			t.Fatal(err)
		}
		if want := reflect.TypeOf(value).NumField(); len(keys) != want {
			t.Errorf("%T{} has %d keys in JSON, want %d: %s", value, len(keys), want, raw)
		}
	}
}
