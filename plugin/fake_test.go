package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// fakeDriver notes each call as one line and answers with what it is given.
type fakeDriver struct {
	mu    sync.Mutex
	calls []string

	answers
	err    error // for every call
	panics any

	hook  func(ctx context.Context) // runs inside the JSON calls
	diff  func(ctx context.Context, w io.Writer) error
	apply func(ctx context.Context, r io.Reader) error
}

// answers is what the calls return.
type answers struct {
	dir      string
	found    bool
	rows     [][2]string
	metadata map[string]string
	changes  []Change
	size     int64
}

func (f *fakeDriver) note(ctx context.Context, format string, args ...any) error {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	f.mu.Unlock()
	if f.hook != nil {
		f.hook(ctx)
	}
	if f.panics != nil {
		panic(f.panics)
	}
	return f.err
}

func (f *fakeDriver) noted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *fakeDriver) Init(ctx context.Context, r InitRequest) error {
	return f.note(ctx, "Init %+v", r)
}

func (f *fakeDriver) Create(ctx context.Context, r CreateRequest) error {
	return f.note(ctx, "Create %+v", r)
}

func (f *fakeDriver) Remove(ctx context.Context, id string) error {
	return f.note(ctx, "Remove %s", id)
}

func (f *fakeDriver) Get(ctx context.Context, id, label string) (string, error) {
	return f.dir, f.note(ctx, "Get %s %q", id, label)
}

func (f *fakeDriver) Put(ctx context.Context, id string) error {
	return f.note(ctx, "Put %s", id)
}

func (f *fakeDriver) Exists(ctx context.Context, id string) (bool, error) {
	return f.found, f.note(ctx, "Exists %s", id)
}

func (f *fakeDriver) Status(ctx context.Context) ([][2]string, error) {
	return f.rows, f.note(ctx, "Status")
}

func (f *fakeDriver) Metadata(ctx context.Context, id string) (map[string]string, error) {
	return f.metadata, f.note(ctx, "Metadata %s", id)
}

func (f *fakeDriver) Cleanup(ctx context.Context) error {
	return f.note(ctx, "Cleanup")
}

func (f *fakeDriver) Diff(ctx context.Context, id, parent string, w io.Writer) error {
	if err := f.note(ctx, "Diff %s %q", id, parent); err != nil || f.diff == nil {
		return err
	}
	return f.diff(ctx, w)
}

func (f *fakeDriver) Changes(ctx context.Context, id, parent string) ([]Change, error) {
	return f.changes, f.note(ctx, "Changes %s %q", id, parent)
}

func (f *fakeDriver) ApplyDiff(ctx context.Context, id, parent string, r io.Reader) (int64, error) {
	if err := f.note(ctx, "ApplyDiff %s %q", id, parent); err != nil || f.apply == nil {
		return f.size, err
	}
	return f.size, f.apply(ctx, r)
}

func (f *fakeDriver) DiffSize(ctx context.Context, id, parent string) (int64, error) {
	return f.size, f.note(ctx, "DiffSize %s %q", id, parent)
}

// daemon is a served fakeDriver and a client of it, on a unix socket.
type daemon struct {
	*fakeDriver
	client *http.Client
	socket string
	server *Server
	log    *logtest.Hook
	stop   func() error // ends Serve's context and returns what Serve did
}

func serve(t *testing.T, f *fakeDriver, opts ...Option) *daemon {
	t.Helper()
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	socket := filepath.Join(t.TempDir(), "dmthin.sock")
	l, err := ListenUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	s := New(f, logrus.NewEntry(logger), opts...)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	var once sync.Once
	var result error
	stop := func() error {
		once.Do(func() {
			cancel()
			result = <-served
			transport.CloseIdleConnections()
		})
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return &daemon{fakeDriver: f, client: &http.Client{Transport: transport}, socket: socket, server: s, log: hook, stop: stop}
}

// post sends a call as dockerd does and returns status and body.
func (d *daemon) post(t *testing.T, call string, body io.Reader) (int, string) {
	t.Helper()
	resp := d.open(t, call, body)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: read the answer: %v", call, err)
	}
	return resp.StatusCode, string(got)
}

func (d *daemon) open(t *testing.T, call string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://plugin.moby.localhost/"+call, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.docker.plugins.v1.2+json")
	resp, err := d.client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	return resp
}

// chunked hides a body's length, so that it is sent in chunks.
func chunked(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

// brokenBody sends some bytes and then fails.
func brokenBody(sent string) io.Reader {
	return io.MultiReader(strings.NewReader(sent), errReader{})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("cut") }

// raw sends bytes on a new connection and returns all that comes back.
func (d *daemon) raw(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.UnixConn).CloseWrite()
	var got bytes.Buffer
	_, _ = io.Copy(&got, conn)
	return got.String()
}

// within fails the test if ch doesn't deliver.
func within[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing happened for 10 s", what)
		panic("unreachable")
	}
}
