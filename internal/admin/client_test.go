package admin

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestClientReadsWhatTheSourceSays(t *testing.T) {
	other := fullLayer
	other.ID = "a/b %?#é\n" // dockerd's IDs are free text but for the slash; all must travel
	source := &fakeSource{status: fullStatus, layers: []Layer{fullLayer, other}}
	c := NewClient(serve(t, NewServer(source, quietLog())))
	ctx := t.Context()

	version, err := c.Version(ctx)
	requireEqual(t, "Version", fullVersion, version, err)
	status, err := c.Status(ctx)
	requireEqual(t, "Status", fullStatus, status, err)
	layers, err := c.Layers(ctx)
	requireEqual(t, "Layers", []Layer{other, fullLayer}, layers, err)
	layer, err := c.Layer(ctx, fullLayer.ID)
	requireEqual(t, "Layer", fullLayer, layer, err)
	layer, err = c.Layer(ctx, other.ID)
	requireEqual(t, "Layer", other, layer, err)
	if err := c.Healthy(ctx); err != nil {
		t.Errorf("Healthy = %v, want nil", err)
	}
}

func requireEqual(t *testing.T, what string, want, got any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", what, diff)
	}
}

func TestErrorsKeepTheirIdentityAcrossTheSocket(t *testing.T) {
	source := &fakeSource{err: ErrNotReady, healthy: errors.New("pool is full")}
	c := NewClient(serve(t, NewServer(source, quietLog())))
	ctx := t.Context()

	for _, id := range []string{"absent", "", ".", "..", "../status"} {
		if _, err := c.Layer(ctx, id); !errors.Is(err, ErrNoLayer) {
			t.Errorf("Layer(%q) = %v, want ErrNoLayer", id, err)
		}
	}
	if _, err := c.Layers(ctx); !errors.Is(err, ErrNotReady) {
		t.Errorf("Layers = %v, want ErrNotReady", err)
	}
	if err := c.Healthy(ctx); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "pool is full") {
		t.Errorf("Healthy = %v, want ErrNotReady with the reason", err)
	}
	if _, err := c.SetLogLevel(ctx, "loud"); !errors.Is(err, ErrBadRequest) {
		t.Errorf("SetLogLevel = %v, want ErrBadRequest", err)
	}
	source.err = errors.New("dmsetup went up in smoke")
	_, err := c.Status(ctx)
	var answer *ResponseError
	if !errors.As(err, &answer) || answer.StatusCode != 500 || answer.Kind != KindInternal || err.Error() != "dmsetup went up in smoke" {
		t.Errorf("Status = %#v, want the source's words with 500", err)
	}
}

func TestUnreachableDaemonIsOneLineThatSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	absent := filepath.Join(dir, "absent.sock")
	dead := filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()

	const hint = "; is it running, and Docker on it? (systemctl status dmthin, or docker plugin ls; another data-root: --state DIR)"
	for path, want := range map[string]string{
		absent: "can't reach dmthind at " + absent + ": no such file or directory" + hint,
		dead:   "can't reach dmthind at " + dead + ": connection refused" + hint,
	} {
		_, err := NewClient(path).Status(t.Context())
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || err.Error() != want {
			t.Errorf("error = %q\nwant    %q", err, want)
		}
	}
}

func TestInterruptedCallSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := NewClient(serve(t, NewServer(&fakeSource{}, quietLog())))
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Status = %v, want context.Canceled", err)
	}
}

func TestSilentDaemonCountsAsUnreachable(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(t.Context(), path) // accepts into the queue, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := NewClient(path)
	c.http.Timeout = 30 * time.Millisecond
	_, err = c.Version(t.Context())
	if want := "can't reach dmthind at " + path + ": no answer in time"; err == nil || err.Error() != want {
		t.Errorf("Version = %v, want %q", err, want)
	}
}

func TestLogLevelReachesTheSource(t *testing.T) {
	source := &fakeSource{}
	c := NewClient(serve(t, NewServer(source, quietLog())))
	got, err := c.SetLogLevel(t.Context(), "WARN")
	if err != nil {
		t.Fatal(err)
	}
	if got != "warning" || source.logLevel() != "warning" {
		t.Errorf("level = %q, the source has %q; want warning", got, source.logLevel())
	}
}
