package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWorkReportsProgressAndThenItsResult(t *testing.T) {
	source := &fakeSource{maintenance: maintenance{progress: []string{"one", "two"}}}
	client := NewClient(serve(t, NewServer(source, quietLog())))
	var seen []string
	report := func(m string) { seen = append(seen, m) }
	check, err := client.Check(t.Context(), CheckRequest{Filesystems: true, Layers: []string{"a"}}, report)
	requireEqual(t, "Check", CheckReport{Layers: 7, Findings: []Finding{}}, check, err)
	collect, err := client.Collect(t.Context(), CollectRequest{Layers: []string{"a"}, Delete: true}, nil)
	requireEqual(t, "Collect", CollectReport{Garbage: []Garbage{{Layer: "a", Deleted: true}}}, collect, err)
	trim, err := client.Trim(t.Context(), TrimRequest{Pool: true}, nil)
	requireEqual(t, "Trim", TrimReport{Layers: []Trimmed{}, Freed: 5}, trim, err)
	resize, err := client.Resize(t.Context(), ResizeRequest{Data: 9}, nil)
	requireEqual(t, "Resize", ResizeReport{Data: 9}, resize, err)
	if !slices.Equal(seen, []string{"one", "two"}) {
		t.Errorf("progress = %q", seen)
	}
	want := []any{
		CheckRequest{Filesystems: true, Layers: []string{"a"}},
		CollectRequest{Layers: []string{"a"}, Delete: true},
		TrimRequest{Pool: true}, ResizeRequest{Data: 9},
	}
	if diff := cmp.Diff(want, source.asked); diff != "" {
		t.Error(diff)
	}
}

func TestWorkThatFailsKeepsItsKindBeforeAndAfterTheFirstProgress(t *testing.T) {
	for name, progress := range map[string][]string{"at once": nil, "later": {"working"}} {
		t.Run(name, func(t *testing.T) {
			failure := fmt.Errorf("%w: a file is in the way", ErrRefused)
			source := &fakeSource{maintenance: maintenance{progress: progress, failure: failure}}
			client := NewClient(serve(t, NewServer(source, quietLog())))
			_, err := client.Trim(t.Context(), TrimRequest{}, nil)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "in the way") {
				t.Errorf("Trim = %v", err)
			}
		})
	}
}

func TestMoreLayersThanFitASmallRequestCanBeCollected(t *testing.T) {
	source := &fakeSource{}
	client := NewClient(serve(t, NewServer(source, quietLog())))
	req := CollectRequest{Layers: slices.Repeat([]string{strings.Repeat("a", 64)}, 5000)}
	if _, err := client.Collect(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	if got := source.asked[0].(CollectRequest); len(got.Layers) != 5000 {
		t.Errorf("the daemon was told of %d layers", len(got.Layers))
	}
}

func TestAPeerThatGoesAwayEndsTheWork(t *testing.T) {
	source := &endlessSource{ended: make(chan struct{}), started: make(chan struct{})}
	client := NewClient(serve(t, NewServer(source, quietLog())))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-source.started
		cancel()
	}()
	if _, err := client.Check(ctx, CheckRequest{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Check = %v", err)
	}
	<-source.ended
}

// endlessSource checks until its context ends.
type endlessSource struct {
	fakeSource
	started, ended chan struct{}
}

func (s *endlessSource) Check(ctx context.Context, _ CheckRequest, report Progress) (CheckReport, error) {
	report("working")
	close(s.started)
	<-ctx.Done()
	close(s.ended)
	return CheckReport{}, ctx.Err()
}

func TestLayerCallsReachTheLayerTheyName(t *testing.T) {
	source := &fakeSource{}
	client := NewClient(serve(t, NewServer(source, quietLog())))
	made, err := client.Snapshot(t.Context(), SnapshotRequest{ID: "new", Parent: "old"})
	requireEqual(t, "Snapshot", Layer{ID: "new", Parent: "old"}, made, err)
	held, err := client.Hold(t.Context(), "a/b", HoldRequest{Write: true})
	requireEqual(t, "Hold", Held{ID: "a/b", Device: "/dev/dm-3", Filesystem: "ext4", Root: "rootfs"}, held, err)
	err = errors.Join(
		client.Release(t.Context(), "a/b"),
		client.Remove(t.Context(), "a/b", false),
		client.Remove(t.Context(), "a/b", true))
	if err != nil {
		t.Error(err)
	}
	want := []any{
		SnapshotRequest{ID: "new", Parent: "old"}, HoldRequest{Write: true},
		[]any{"release", "a/b"}, []any{"remove", "a/b", false}, []any{"remove", "a/b", true},
	}
	if diff := cmp.Diff(want, source.asked); diff != "" {
		t.Error(diff)
	}
	if err := client.Remove(t.Context(), "..", true); !errors.Is(err, ErrNoLayer) {
		t.Errorf("Remove of .. = %v", err)
	}
}

func TestABackupCutShortIsAnError(t *testing.T) {
	failure := errors.New("disk on fire")
	tests := map[string]struct {
		source maintenance
		ok     bool
		says   string
	}{
		"whole":               {maintenance{backup: "whole"}, true, ""},
		"fails in the middle": {maintenance{backup: "whole", failure: failure}, false, ""},
		"fails at once":       {maintenance{failure: failure}, false, "disk on fire"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client := NewClient(serve(t, NewServer(&fakeSource{maintenance: tt.source}, quietLog())))
			var out bytes.Buffer
			err := client.Backup(t.Context(), &out)
			if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Backup = %v", err)
			}
			if tt.ok && out.String() != tt.source.backup {
				t.Errorf("the backup is %q", out.String())
			}
		})
	}
}

func TestNobodyButTheOwnerChangesAnything(t *testing.T) {
	source := &fakeSource{}
	server := NewServer(source, quietLog())
	server.allowed = func(context.Context) error { return ErrForbidden }
	socket := serve(t, server)
	for path, method := range map[string]string{
		"/v1/check": "POST", "/v1/collect": "POST", "/v1/trim": "POST", "/v1/resize": "POST",
		"/v1/backup": "GET", "/v1/layers": "POST", "/v1/layers/a": "DELETE", "/v1/layers/a/hold": "POST",
	} {
		if resp, body := request(t, socket, method, path, "{}"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s = %d %s", method, path, resp.StatusCode, body)
		}
	}
	if len(source.asked) != 0 {
		t.Errorf("forbidden requests did %v", source.asked)
	}
}

func TestTheDaemonsOwnRoutesAreServed(t *testing.T) {
	server := NewServer(&fakeSource{}, quietLog())
	server.Handle("/metrics", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "dmthin_up 1\n")
	}))
	client := NewClient(serve(t, server))
	var out bytes.Buffer
	if err := client.Metrics(t.Context(), &out); err != nil || out.String() != "dmthin_up 1\n" {
		t.Errorf("Metrics = %q, %v", out.String(), err)
	}
	without := NewClient(serve(t, NewServer(&fakeSource{}, quietLog())))
	if err := without.Metrics(t.Context(), io.Discard); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Metrics of a daemon without = %v", err)
	}
}
