// Package driverclient calls a storage driver as dockerd does, for tests that
// ask what the docker command can't.
package driverclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Client speaks Docker's graphdriver protocol.
type Client struct{ http.Client }

// New has calls take limit at most; 0 is for any time.
func New(socket string, limit time.Duration) *Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	return &Client{http.Client{Transport: transport, Timeout: limit}}
}

// Call sends a request in JSON and decodes the answer, unless answer is nil.
func (c *Client) Call(method string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.Send(method, bytes.NewReader(body), answer)
}

// Send is Call with a body as it is.
func (c *Client) Send(method string, body io.Reader, answer any) error {
	response, err := c.Open(method, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	var failure struct{ Err string }
	if err := json.Unmarshal(text, &failure); err != nil {
		return fmt.Errorf("%s: %w: %s", method, err, text)
	}
	if failure.Err != "" {
		return fmt.Errorf("%s: %s", method, failure.Err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// Open leaves the answer to the caller, who closes it.
func (c *Client) Open(method string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://driver/GraphDriver."+method, body)
	if err != nil {
		return nil, err
	}
	return c.Do(request)
}
