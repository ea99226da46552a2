package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/admin"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-%s +got:\n%s", file, diff)
	}
}

// full is a device without room, as /dev/full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestOutputThatIsNotWrittenIsAnError(t *testing.T) {
	state := readyDaemon().start(t)
	for _, args := range [][]string{
		{"--help"}, {"help", "pool"}, {"--version"}, {"pool"}, {"status", "--state", state}, {"ls", "--format", "json", "--state", state},
		{"completion", "bash"},
	} {
		var errOut bytes.Buffer
		if code := newApp(full{}, &errOut, os.Getenv).run(t.Context(), args); code != exitFailure || !strings.Contains(errOut.String(), "no space left on device") {
			t.Errorf("%q: exit %d, %q", args, code, errOut.String())
		}
	}
}

func TestTablesShowWhatAnOperatorLooksFor(t *testing.T) {
	sick := readyDaemon()
	sick.status.Pool.Mode = admin.PoolOutOfData
	sick.status.Pool.DataUsed, sick.status.Pool.DataAvailable = sick.status.Pool.DataTotal, 0
	sick.status.Problems = []string{"thin pool is out of data space: remove layers or grow the data device", "metadata/abc: unexpected end of JSON input"}
	waiting := &daemon{status: admin.Status{State: admin.StateWaiting, StateDir: "/s", StartedAt: readyStatus().StartedAt}}

	tests := []struct {
		golden string
		daemon *daemon
		args   []string
	}{
		{"status.txt", readyDaemon(), []string{"status"}},
		{"status-sick.txt", sick, []string{"status"}},
		{"status-waiting.txt", waiting, []string{"status"}},
		{"ls.txt", readyDaemon(), []string{"ls"}},
		{"ls-no-trunc.txt", readyDaemon(), []string{"ls", "--no-trunc"}},
		{"ls-quiet.txt", readyDaemon(), []string{"ls", "-q"}},
		{"ls-empty.txt", &daemon{}, []string{"ls"}},
		{"inspect.txt", readyDaemon(), []string{"inspect", containerID}},
		{"inspect-odd.txt", readyDaemon(), []string{"inspect", oddID}},
		{"inspect-base.txt", readyDaemon(), []string{"inspect", imageID}},
		{"log-level.txt", readyDaemon(), []string{"log-level", "debug"}},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			got := dmthin(t, append(tt.args, "--state", tt.daemon.start(t))...)
			if got.code != exitOK || got.errOut != "" {
				t.Fatalf("exit %d, stderr %q; want 0 and none", got.code, got.errOut)
			}
			requireGolden(t, tt.golden, got.out)
		})
	}
}

func TestJSONIsWhatTheDaemonAnswered(t *testing.T) {
	d := readyDaemon()
	state := d.start(t)
	container, err := d.Layer(t.Context(), containerID)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus := d.status
	wantStatus.Problems = []string{}

	requireJSON(t, dmthin(t, "status", "--format", "json", "--state", state), wantStatus)
	requireJSON(t, dmthin(t, "inspect", containerID, "--format=json", "--state", state), container)
	requireJSON(t, dmthin(t, "ls", "--quiet", "--format", "json", "--state", state), admin.LayerList{Layers: d.layers})
	requireJSON(t, dmthin(t, "log-level", "warn", "--format", "json", "--state", state), admin.LogLevel{Level: "warning"})
}

func requireJSON[T any](t *testing.T, r result, want T) {
	t.Helper()
	if r.code != exitOK || r.errOut != "" {
		t.Fatalf("exit %d, stderr %q; want 0 and none", r.code, r.errOut)
	}
	var got T
	d := json.NewDecoder(strings.NewReader(r.out))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, r.out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVersionWorksWithAndWithoutADaemon(t *testing.T) {
	state := readyDaemon().start(t)
	with := dmthin(t, "version", "--state", state)
	for _, want := range []string{"Tool", "Daemon", "v1.2.3", "4.48.0", "1.02.205 (2025-02-27)"} {
		if !strings.Contains(with.out, want) {
			t.Errorf("version with a daemon lacks %q:\n%s", want, with.out)
		}
	}
	without := dmthin(t, "version", "--format", "json", "--state", t.TempDir())
	var v versions
	if err := json.Unmarshal([]byte(without.out), &v); err != nil {
		t.Fatal(err)
	}
	if without.code != exitOK || v.Daemon != nil || v.Client.Version == "" || !strings.Contains(v.DaemonError, "can't reach dmthind") {
		t.Errorf("version without a daemon = exit %d, %s", without.code, without.out)
	}
}

func TestOddIDsDoNotBreakTheTable(t *testing.T) {
	d := &daemon{layers: []admin.Layer{{ID: "a\x1b[2J\nb"}}}
	got := dmthin(t, "ls", "--state", d.start(t))
	if strings.ContainsRune(got.out, '\x1b') || strings.Count(got.out, "\n") != 2 {
		t.Errorf("control characters reach the terminal: %q", got.out)
	}
}
