package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// clientTimeout is longer than the server's own limits, so that the
	// server's error is seen where there is one.
	clientTimeout = writeTimeout + 5*time.Second
	// maxAnswerBytes is far above a pool's limit of 2^24 devices in practice;
	// it guards against whatever else may listen there.
	maxAnswerBytes = 256 << 20
)

// Client asks a daemon over its admin socket. It keeps no connection open and
// is safe for concurrent use. Questions end after 45 s; work and copies take as
// long as their context lets them.
type Client struct {
	path string
	http http.Client
}

// NewClient makes a client of the socket path without connecting.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := checkLength(path); err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
}

// Version asks for the daemon's version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return call[Version](ctx, c, http.MethodGet, "/v1/version", nil)
}

// Status asks for the daemon's and the pool's state.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Layers asks for all layers, sorted by ID.
func (c *Client) Layers(ctx context.Context) ([]Layer, error) {
	list, err := call[LayerList](ctx, c, http.MethodGet, "/v1/layers", nil)
	return list.Layers, err
}

// Layer asks for one layer by its whole ID; ErrNoLayer if there is none.
func (c *Client) Layer(ctx context.Context, id string) (Layer, error) {
	path, err := layerPath(id)
	if err != nil {
		return Layer{}, err
	}
	return call[Layer](ctx, c, http.MethodGet, path, nil)
}

// Healthy returns nil when the daemon is ready for layers, ErrNotReady with the
// reason when it isn't.
func (c *Client) Healthy(ctx context.Context) error {
	_, err := call[Health](ctx, c, http.MethodGet, "/readyz", nil)
	return err
}

// SetLogLevel changes how much the daemon logs and returns the level in the
// daemon's spelling. Only root may.
func (c *Client) SetLogLevel(ctx context.Context, level string) (string, error) {
	now, err := call[LogLevel](ctx, c, http.MethodPut, "/v1/log-level", LogLevel{Level: level})
	return now.Level, err
}

// UnreachableError is returned when no daemon answers on the socket.
type UnreachableError struct {
	Path string
	Err  error
}

// Error says what to do next.
func (e *UnreachableError) Error() string {
	msg := fmt.Sprintf("can't reach dmthind at %s: %v", e.Path, e.Err)
	switch {
	case errors.Is(e.Err, unix.EACCES):
		return msg + "; run this as root"
	case e.OnReadOnly():
		return msg + "; the filesystem there is read-only, so dmthind can't start: check it and mount it for writing"
	case errors.Is(e.Err, unix.ECONNREFUSED), errors.Is(e.Err, unix.ENOENT):
		return msg + "; is it running, and Docker on it? (systemctl status dmthin, or docker plugin ls; another data-root: --state DIR)"
	}
	return msg
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// OnReadOnly tells whether no daemon could have made the socket, for a filesystem
// that is read-only.
func (e *UnreachableError) OnReadOnly() bool {
	var s unix.Statfs_t
	return unix.Statfs(filepath.Dir(e.Path), &s) == nil && s.Flags&unix.ST_RDONLY != 0
}

func call[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var answer T
	raw, err := c.do(ctx, method, path, body)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("the answer of %s to %s %s is not a daemon's: %w", c.path, method, path, err)
	}
	return answer, nil
}

func (c *Client) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	answer, err := c.open(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	raw, err := io.ReadAll(io.LimitReader(answer, maxAnswerBytes))
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	return raw, nil
}

// open sends a request and returns the body of a success. Long work is read
// from it as it goes on, so only the context bounds the time.
func (c *Client) open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://dmthind"+path, payload)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	return nil, responseError(resp.StatusCode, raw)
}
