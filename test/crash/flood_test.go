//go:build dmtest

package crash

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// flooding is what a mad client sends on a connection that it then keeps.
var flooding = []string{
	"",
	"POST /Graph",
	"POST /GraphDriver.Create HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{\"ID\":",
	"POST /GraphDriver.Create HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000000\r\n\r\n" + strings.Repeat("[", 1<<20),
	"POST /GraphDriver.ApplyDiff?id=nobody&parent= HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
	"POST /GraphDriver.ApplyDiff?id=..%2Fx&parent= HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" + strings.Repeat("\x00", 1<<20),
	"GET /GraphDriver.Init HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20),
	strings.Repeat("POST /GraphDriver.Get HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"ID\":\"nobody\"", 1000),
}

// TestAFloodOfRequestsHoldsNobodyUp has mad clients at both sockets of a daemon,
// and a good one that makes, writes to and removes layers meanwhile.
//
//vm:once
//vm:long
func TestAFloodOfRequestsHoldsNobodyUp(t *testing.T) {
	onDisk(t, preparedDisk(t), func() {
		d := started(t)
		defer func() { sweep(t, d) }()
		r := recorderAfter(before)
		calm := descriptorsOf(t, d)
		var mad []net.Conn
		for n := range 800 {
			mad = append(mad, flood(t, d, n))
			if n%100 == 99 {
				requireServed(t, d, r, fmt.Sprint("good", n))
			}
		}
		if open := descriptorsOf(t, d); open > 500 {
			t.Errorf("the daemon has %d descriptors open, %d before", open, calm)
		}
		for _, conn := range mad {
			_ = conn.Close()
		}
		requireServed(t, d, r, "last")
		for n := 0; descriptorsOf(t, d) > calm+10; n++ {
			if n == 100 {
				t.Fatalf("the daemon has %d descriptors open when all are gone, %d before", descriptorsOf(t, d), calm)
			}
			time.Sleep(100 * time.Millisecond)
		}
		for _, line := range d.verify(t.Context(), r.operations, r.progress()) {
			t.Error(line)
		}
		requireNoError(t, d.stop())
	})
}

// flood sends what the daemon takes within a moment.
func flood(t *testing.T, d *daemon, n int) net.Conn {
	t.Helper()
	to := []string{socket, filepath.Join(d.state, "admin.sock")}[n/len(flooding)%2]
	conn, err := net.Dial("unix", to)
	requireNoError(t, err)
	_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = conn.Write([]byte(flooding[n%len(flooding)])) // it may have been pushed out
	return conn
}

// requireServed does what a container's life takes, in less than the time after
// which a client that says nothing is cut off.
func requireServed(t *testing.T, d *daemon, r *recorder, id string) {
	t.Helper()
	const limit = 30 * time.Second
	begin := time.Now()
	for _, o := range []operation{
		{verb: create, layer: id, parent: "old"},
		{verb: write, layer: id, files: map[string]string{"y": id}},
		{verb: remove, layer: id},
	} {
		requireNoError(t, r.perform(d, o))
	}
	_, err := d.admin().Status(t.Context())
	requireNoError(t, err)
	if took := time.Since(begin); took > limit {
		t.Errorf("%s was served in %s", id, took)
	}
}

func descriptorsOf(t *testing.T, d *daemon) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	requireNoError(t, err)
	return len(open)
}
