package plugin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// mad are clients that take a place and give nothing.
var mad = map[string]string{
	"that say nothing":         "",
	"with a header that stops": "POST /GraphDriver.Put HTTP/1.1\r\nHost: x\r\nX: ",
	"with a body that stops":   "POST /GraphDriver.Put HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	"with a body that is long": "POST /GraphDriver.Put HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{",
	"that never hang up":       "POST /GraphDriver.Put HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n" + `{"ID":"m"}`,
}

// A good client is answered soon, whatever mad ones there are, and what those take
// of the process is bounded.
func TestMadClientsStopNoGoodOne(t *testing.T) {
	for name, sent := range mad {
		t.Run("clients "+name, func(t *testing.T) {
			const calls, connections = 64, 128
			d := serve(t, &fakeDriver{}, WithMaxInFlight(calls))
			openFiles, goroutines := descriptors(t), runtime.NumGoroutine()
			const clients = 2 * connections
			for n := range clients {
				d.annoy(t, sent)
				if n%16 == 0 {
					d.requireGoodClient(t)
				}
			}
			d.requireGoodClient(t)
			// Of each connection this process has both ends.
			if more := descriptors(t) - openFiles - clients; more > connections+10 {
				t.Errorf("%d descriptors are open, of at most %d connections", more, connections)
			}
			if more := runtime.NumGoroutine() - goroutines; more > 2*connections+10 {
				t.Errorf("there are %d more goroutines", more)
			}
		})
	}
}

// annoy opens a connection that stays to the test's end.
func (d *daemon) annoy(t *testing.T, sent string) {
	t.Helper()
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, sent) // it may have been pushed out
	if strings.HasSuffix(sent, "}") {
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			resp.Body.Close()
		}
	}
}

// requireGoodClient makes a call on a connection that it has and on a new one.
func (d *daemon) requireGoodClient(t *testing.T) {
	t.Helper()
	begin := time.Now()
	if code, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"good"}`)); code != http.StatusOK {
		t.Fatalf("a good client: %d %s", code, reply)
	}
	request := "POST /GraphDriver.Put HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 13\r\n\r\n" + `{"ID":"good"}`
	if got := d.raw(t, request); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Fatalf("a good client on a new connection: %q", got)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("a good client waited for %s", took)
	}
}

// Streams may last for ever: a tar that comes slowly is none the less one.
func TestStreamsThatStopLeavePlacesForCalls(t *testing.T) {
	const calls = 8
	d := serve(t, &fakeDriver{apply: func(_ context.Context, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}}, WithMaxInFlight(calls))
	for range 2 * calls {
		d.annoy(t, "POST /GraphDriver.ApplyDiff?id=a&parent= HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc")
		d.requireGoodClient(t)
	}
	if code, reply := d.post(t, "GraphDriver.ApplyDiff?id=a&parent=", chunked("tar")); code != http.StatusServiceUnavailable {
		t.Errorf("there was a place for %d streams and one more: %d %s", 2*calls, code, reply)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
