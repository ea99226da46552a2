//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// registryAddress is where the tests' registry listens. dockerd accepts one on
// loopback without TLS.
const registryAddress = "127.0.0.1:5000"

// registry is a real registry, to push to and to pull and install from. It
// runs until the test ends.
func registry(tb testing.TB) {
	tb.Helper()
	root := freshRoot(tb, "registry")
	config := filepath.Join(root, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n",
		filepath.Join(root, "data"), registryAddress)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
	proc := startProcess(tb, "registry", nil, "docker-registry", "serve", config)
	tb.Cleanup(func() {
		if proc.running() {
			proc.kill(tb)
		}
	})
	eventually(tb, time.Minute, "the registry listens", func() bool {
		if !proc.running() {
			tb.Fatalf("the registry ended: %v\n%s", proc.err, proc.logTail())
		}
		conn, err := net.Dial("tcp", registryAddress)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}
