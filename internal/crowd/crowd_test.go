package crowd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers with the request's path; whoever asks for /work waits for release
// and says so before.
func serve(t *testing.T, limit int) (dial func() net.Conn, entered, release chan struct{}) {
	t.Helper()
	entered, release = make(chan struct{}, 1), make(chan struct{})
	s := &http.Server{ReadHeaderTimeout: time.Minute}
	s.Handler = Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/work" {
			entered <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	Limit(s, limit)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-served })
	return func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		return conn
	}, entered, release
}

func ask(conn net.Conn, path string) (string, error) {
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	return answer(conn)
}

func answer(conn net.Conn) (string, error) {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func closed(conn net.Conn) bool {
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestTheOneThatKeptTheServerWaitingForLongestIsClosed(t *testing.T) {
	dial, _, _ := serve(t, 3)
	silent, slow := dial(), dial()
	if _, err := io.WriteString(slow, "GET / HT"); err != nil {
		t.Fatal(err)
	}
	good := dial()
	for range 20 {
		if got, err := ask(good, "/good"); got != "/good" || err != nil {
			t.Fatalf("answer %q, %v", got, err)
		}
		other := dial()
		if got, err := ask(other, "/other"); got != "/other" || err != nil {
			t.Fatalf("answer %q, %v", got, err)
		}
	}
	if !closed(silent) || !closed(slow) {
		t.Error("a client that sends nothing kept its connection")
	}
}

func TestWhoIsAtWorkIsNotClosed(t *testing.T) {
	dial, entered, release := serve(t, 2)
	worker := dial()
	if _, err := io.WriteString(worker, "GET /work HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	for range 5 {
		if got, err := ask(dial(), "/other"); got != "/other" || err != nil {
			t.Fatalf("answer %q, %v", got, err)
		}
	}
	close(release)
	if got, err := answer(worker); got != "/work" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
}

func TestWhereAllAreAtWorkTheNewcomerIsClosed(t *testing.T) {
	dial, entered, release := serve(t, 1)
	worker := dial()
	if _, err := io.WriteString(worker, "GET /work HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	if !closed(dial()) {
		t.Error("the newcomer was let in")
	}
	close(release)
	if got, err := answer(worker); got != "/work" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
	if got, err := ask(dial(), "/next"); got != "/next" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
}
