package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// request is a plain HTTP exchange, for what Client never sends.
func request(t *testing.T, socket, method, path, body string) (*http.Response, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://dmthind"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(raw)
}

func TestFailuresAreJSONWithTheRightStatus(t *testing.T) {
	source := &fakeSource{healthy: errors.Join(errors.New("pool docker-pool"), errors.New("is read-only"))}
	socket := serve(t, NewServer(source, quietLog()))
	tests := []struct {
		name, method, path, body string
		status                   int
		kind                     ErrorKind
		says                     string
	}{
		{"unknown layer", "GET", "/v1/layers/nope", "", 404, KindNoLayer, "nope"},
		{"layer with a slash", "GET", "/v1/layers/a%2Fb", "", 404, KindNoLayer, "a/b"},
		{"unknown route", "GET", "/v2/status", "", 404, KindUnsupported, "/v2/status"},
		{"write to a view", "POST", "/v1/status", "{}", 405, KindBadRequest, "POST"},
		{"read of a change", "GET", "/v1/log-level", "", 405, KindBadRequest, "only PUT"},
		{"not ready", "GET", "/readyz", "", 503, KindNotReady, "pool docker-pool; is read-only"},
		{"empty body", "PUT", "/v1/log-level", "", 400, KindBadRequest, "not a JSON object"},
		{"garbage", "PUT", "/v1/log-level", "level=debug", 400, KindBadRequest, "not a JSON object"},
		{"wrong type", "PUT", "/v1/log-level", `{"level": 7}`, 400, KindBadRequest, "not a JSON object"},
		{"two values", "PUT", "/v1/log-level", `{"level":"debug"}{}`, 400, KindBadRequest, "more than one value"},
		{"unknown level", "PUT", "/v1/log-level", `{"level":"loud"}`, 400, KindBadRequest, `"loud"`},
		{"oversized", "PUT", "/v1/log-level", `{"level":"` + strings.Repeat("x", 1<<20) + `"}`, 400, KindBadRequest, "larger than 4096 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, raw := request(t, socket, tt.method, tt.path, tt.body)
			var body ErrorBody
			if err := json.Unmarshal([]byte(raw), &body); err != nil {
				t.Fatalf("body %q: %v", raw, err)
			}
			if resp.StatusCode != tt.status || body.Kind != tt.kind || !strings.Contains(body.Error, tt.says) {
				t.Errorf("got %d %+v, want %d, kind %s, a text with %q", resp.StatusCode, body, tt.status, tt.kind, tt.says)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
		})
	}
	if got := source.logLevel(); got != "" {
		t.Errorf("a bad request set the log level to %q", got)
	}
}

func TestWrongMethodNamesTheAllowedOnes(t *testing.T) {
	socket := serve(t, NewServer(&fakeSource{}, quietLog()))
	for path, want := range map[string]string{"/v1/status": "GET, HEAD", "/v1/layers": "GET, HEAD, POST", "/v1/check": "POST"} {
		resp, _ := request(t, socket, "DELETE", path, "")
		if got := resp.Header.Get("Allow"); got != want {
			t.Errorf("%s: Allow = %q, want %q", path, got, want)
		}
	}
}

func TestProcessIsAliveEvenWhenItIsNotReady(t *testing.T) {
	socket := serve(t, NewServer(&fakeSource{healthy: errors.New("no pool")}, quietLog()))
	if resp, body := request(t, socket, "GET", "/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("/healthz = %d %s, want 200", resp.StatusCode, body)
	}
	if resp, _ := request(t, socket, "HEAD", "/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("HEAD /healthz = %d, want 200", resp.StatusCode)
	}
}

func TestEmptyListsAreNotNull(t *testing.T) {
	socket := serve(t, NewServer(&fakeSource{}, quietLog()))
	for path, want := range map[string][]string{
		"/v1/layers": {`"layers": []`},
		"/v1/status": {`"leaked": []`, `"problems": []`},
	} {
		_, body := request(t, socket, "GET", path, "")
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s = %s, want %s in it", path, body, w)
			}
		}
	}
}

func TestAFailedStartIsOneLine(t *testing.T) {
	socket := serve(t, NewServer(&fakeSource{status: Status{State: StateFailed, Error: "no pool\nand no way back"}}, quietLog()))
	if _, raw := request(t, socket, "GET", "/v1/status", ""); !strings.Contains(raw, `"no pool; and no way back"`) {
		t.Errorf("answer %s", raw)
	}
}

func TestStoppingWaitsForRequestsUnderWay(t *testing.T) {
	slow := &slowSource{entered: make(chan struct{}), release: make(chan struct{})}
	server := NewServer(slow, quietLog())
	socket := serve(t, server)
	answered := make(chan error, 1)
	go func() {
		_, err := NewClient(socket).Status(context.Background())
		answered <- err
	}()
	<-slow.entered
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(context.Background()) }()
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v with a request under way", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(slow.release)
	if err := <-answered; err != nil {
		t.Errorf("the request under way failed: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

func TestStoppingCutsRequestsThatDoNotEnd(t *testing.T) {
	slow := &slowSource{entered: make(chan struct{}), release: make(chan struct{})}
	server := NewServer(slow, quietLog())
	socket := serve(t, server)
	answered := make(chan error, 1)
	go func() {
		_, err := NewClient(socket).Status(context.Background())
		answered <- err
	}()
	<-slow.entered
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want deadline exceeded", err)
	}
	var unreachable *UnreachableError
	if err := <-answered; !errors.As(err, &unreachable) {
		t.Errorf("the cut request returned %v, want UnreachableError", err)
	}
}

// slowSource holds Status until release is closed or the request is given up.
type slowSource struct {
	fakeSource
	entered, release chan struct{}
}

func (s *slowSource) Status(ctx context.Context) (Status, error) {
	close(s.entered)
	select {
	case <-s.release:
		return fullStatus, nil
	case <-ctx.Done():
		return Status{}, ctx.Err()
	}
}

func TestConnectionsThatSayNothingShutNobodyOut(t *testing.T) {
	socket := serve(t, NewServer(&fakeSource{status: fullStatus}, quietLog()))
	var first net.Conn
	for range maxConnections + 10 {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if first == nil {
			first = conn
		}
	}
	if _, err := NewClient(socket).Status(t.Context()); err != nil {
		t.Error(err)
	}
	_ = first.SetReadDeadline(time.Now().Add(readTimeout / 2))
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the first connection: %v, want it closed", err)
	}
}
