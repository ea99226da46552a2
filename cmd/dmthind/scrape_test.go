package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// The metrics address may be open to others than root: what they do must not take
// the descriptors that layers need.
func TestACrowdAtTheMetricsAddressIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- newDriver(settings{}, quietLog()).serveMetrics(ctx, l) }()
	var first net.Conn
	for range scrapers + 10 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if first == nil {
			first = conn
		}
	}
	resp, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("healthz says %s", resp.Status)
	}
	_ = first.SetReadDeadline(time.Now().Add(scrapeReadTime / 2))
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection that said nothing for longest: %v, want it closed", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
