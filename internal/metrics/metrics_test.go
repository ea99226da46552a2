package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// fixed is a View that always shows the same.
type fixed struct {
	snapshot Snapshot
	err      error
}

func (f fixed) Metrics(context.Context) (Snapshot, error) { return f.snapshot, f.err }

func newMetrics(view View) *Metrics {
	return New(view, Build{Version: "v1.2.3", Revision: "0123abc", GoVersion: "go1.26.8"})
}

// full has a number for everything, each another.
func full() Snapshot {
	return Snapshot{
		Pool: Pool{
			Name: "docker-thinpool", Backend: "direct-lvm", Filesystem: "ext4",
			Mode: ModeOutOfDataSpace, NeedsCheck: true, ErrorIfNoSpace: true, TransactionID: 7, BlockSize: 65536,
		},
		Space: Space{
			DataUsed: 11, DataSize: 12, DataLowWater: 13, MetadataUsed: 14, MetadataSize: 15, MetadataLowWater: 16,
			MinFree: 17, HostFree: 18, FullSince: time.UnixMilli(1500),
		},
		Layers:     Layers{Layers: 21, ActiveDevices: 22, Mounts: 23, DeferredDeletions: 24, LeakedDevices: 25, Problems: 26},
		Extensions: Extensions{Done: 31, Failed: 32, LastDone: time.Unix(33, 0), Failing: true, Threshold: 80, Reserve: 34},
		Recovery:   RecoveryRedone,
	}
}

// body returns what Prometheus gets.
func body(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scrape returns the lines of our metrics, without the help.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(body(t, m)) {
		if strings.HasPrefix(line, namespace+"_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestEveryNumberOfASnapshotIsShown(t *testing.T) {
	got := scrape(t, newMetrics(fixed{snapshot: full()}))
	for _, want := range []string{
		`ready 1`, `build_info{goversion="go1.26.8",revision="0123abc",version="v1.2.3"} 1`,
		`pool_info{backend="direct-lvm",filesystem="ext4",pool="docker-thinpool"} 1`,
		`pool_mode{mode="rw"} 0`, `pool_mode{mode="ro"} 0`, `pool_mode{mode="out_of_data_space"} 1`, `pool_mode{mode="failed"} 0`,
		`recovery_outcome{outcome="redone"} 1`, `recovery_outcome{outcome="clean"} 0`,
		`pool_needs_check 1`, `pool_error_if_no_space 1`, `pool_transaction_id 7`, `pool_block_size_bytes 65536`,
		`pool_data_used_bytes 11`, `pool_data_size_bytes 12`, `pool_data_low_water_bytes 13`,
		`pool_metadata_used_bytes 14`, `pool_metadata_size_bytes 15`, `pool_metadata_low_water_bytes 16`,
		`pool_min_free_bytes 17`, `host_free_bytes 18`, `pool_full_since_timestamp_seconds 1.5`,
		`layers 21`, `active_devices 22`, `mounts 23`, `deferred_deletions 24`, `leaked_devices 25`, `problems 26`,
		`pool_extensions_total 31`, `pool_extension_failures_total 32`, `pool_last_extension_timestamp_seconds 33`,
		`pool_extension_failing 1`, `pool_extend_threshold_ratio 0.8`, `pool_extend_reserve_bytes 34`,
	} {
		if !strings.Contains("\n"+got, "\n"+namespace+"_"+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestUnknownNumbersAreLeftOut(t *testing.T) {
	s := full()
	s.Space.HostFree, s.Extensions.Threshold, s.Extensions.Reserve = Unknown, Unknown, Unknown
	got := scrape(t, newMetrics(fixed{snapshot: s}))
	for _, name := range []string{"host_free_bytes", "pool_extend_threshold_ratio", "pool_extend_reserve_bytes"} {
		if strings.Contains(got, name) {
			t.Errorf("%s is shown", name)
		}
	}
}

// A scrape that fails would hide the calls, and look like a dead daemon.
func TestWithoutAPoolTheScrapeStillWorks(t *testing.T) {
	m := newMetrics(fixed{snapshot: Snapshot{Recovery: RecoveryRefused}, err: errors.New("no pool")})
	m.ObserveCall("Init", time.Second, errors.New("no pool"))
	got := scrape(t, m)
	for _, want := range []string{"dmthin_ready 0\n", `dmthin_call_failures_total{call="Init"} 1`, `dmthin_recovery_outcome{outcome="refused"} 1`} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(got, "dmthin_pool_") {
		t.Errorf("a pool is shown:\n%s", got)
	}
}

func TestCallsAreCountedByCallAndOutcome(t *testing.T) {
	m := newMetrics(fixed{})
	m.ObserveCall("Get", 30*time.Millisecond, nil)
	m.ObserveCall("Get", 3*time.Second, errors.New("busy"))
	got := scrape(t, m)
	for _, want := range []string{
		`dmthin_call_duration_seconds_bucket{call="Get",le="0.05"} 1`,
		`dmthin_call_duration_seconds_count{call="Get"} 2`,
		`dmthin_call_failures_total{call="Get"} 1`,
		`dmthin_call_failures_total{call="Put"} 0`, // there before the first
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

func TestNamesFollowPrometheusConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(newMetrics(fixed{snapshot: full()}).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
