package plugin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

// blocked makes each call announce itself and wait for release, or for the end
// of its context.
func blocked() (f *fakeDriver, entered chan struct{}, release chan struct{}) {
	entered, release = make(chan struct{}, 16), make(chan struct{})
	return &fakeDriver{hook: func(ctx context.Context) {
		entered <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
	}}, entered, release
}

type answer struct {
	code  int
	reply string
	err   error
}

// send posts in the background; it may outlive the server.
func (d *daemon) send(call, body string) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		resp, err := d.client.Post("http://x/"+call, "", strings.NewReader(body))
		if err != nil {
			done <- answer{err: err}
			return
		}
		defer resp.Body.Close()
		reply, err := io.ReadAll(resp.Body)
		done <- answer{resp.StatusCode, strings.TrimSpace(string(reply)), err}
	}()
	return done
}

func TestPanicIsAnsweredAndTheDaemonLives(t *testing.T) {
	for _, value := range []any{"index out of range", errors.New("an error"), http.ErrAbortHandler} {
		d := serve(t, &fakeDriver{panics: value})
		for _, call := range []string{"GraphDriver.Create", "GraphDriver.Diff"} {
			code, reply := d.post(t, call, strings.NewReader(`{"ID":"a"}`))
			if code != http.StatusInternalServerError || !strings.Contains(reply, "internal error") {
				t.Errorf("%s: answer %d %s", call, code, reply)
			}
			entry := d.log.LastEntry()
			if stack, _ := entry.Data["stack"].(string); entry.Level != logrus.ErrorLevel || !strings.Contains(stack, "fake_test.go") {
				t.Errorf("%s: the log has no stack of the driver: %v", call, entry.Data)
			}
		}
	}
}

func TestEachCallIsLoggedAndObserved(t *testing.T) {
	type seen struct {
		Method string
		Failed bool
	}
	for _, tc := range []struct {
		name, call, body string
		err              error
		level            logrus.Level
		layer            any
		seen             seen
	}{
		{"success", "GraphDriver.Put", `{"ID":"a"}`, nil, logrus.DebugLevel, "a", seen{"Put", false}},
		{"no layer", "GraphDriver.Status", `{}`, nil, logrus.DebugLevel, nil, seen{"Status", false}},
		{"driver error", "GraphDriver.Get", `{"ID":"a"}`, errors.New("x"), logrus.ErrorLevel, "a", seen{"Get", true}},
		{"bad request", "GraphDriver.Get", `{"ID":""}`, nil, logrus.WarnLevel, nil, seen{"Get", true}},
		{"before init", "GraphDriver.Get", `{"ID":"a"}`, ErrNotInitialised, logrus.WarnLevel, "a", seen{"Get", true}},
		{"apply", "GraphDriver.ApplyDiff?id=z&parent=", `tar`, nil, logrus.DebugLevel, "z", seen{"ApplyDiff", false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			observed := make(chan seen, 8)
			d := serve(t, &fakeDriver{err: tc.err, answers: answers{dir: "/d"}}, WithObserver(func(m string, took time.Duration, err error) {
				if took < 0 || took > time.Minute {
					t.Errorf("duration %v", took)
				}
				observed <- seen{m, err != nil}
			}))
			d.post(t, tc.call, strings.NewReader(tc.body))
			if diff := cmp.Diff(tc.seen, within(t, "observer", observed)); diff != "" {
				t.Errorf("observed (-want +got):\n%s", diff)
			}
			entry := d.log.LastEntry()
			if entry.Level != tc.level || entry.Data["op"] != tc.seen.Method || entry.Data["layer"] != tc.layer || entry.Data["duration"] == nil {
				t.Errorf("logged %v %v", entry.Level, entry.Data)
			}
		})
	}
}

func TestCallsAboveTheLimitAreAnsweredAtOnce(t *testing.T) {
	f, entered, release := blocked()
	d := serve(t, f, WithMaxInFlight(2))
	first, second := d.send("GraphDriver.Put", `{"ID":"a"}`), d.send("GraphDriver.Put", `{"ID":"b"}`)
	within(t, "first call", entered)
	within(t, "second call", entered)
	if code, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"c"}`)); code != http.StatusServiceUnavailable ||
		!strings.Contains(reply, "try again") {
		t.Errorf("answer %d %s", code, reply)
	}
	close(release)
	for _, ch := range []<-chan answer{first, second} {
		if got := within(t, "answer", ch); got.code != http.StatusOK {
			t.Errorf("answer %+v", got)
		}
	}
	if code, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"c"}`)); code != http.StatusOK {
		t.Errorf("afterwards: answer %d %s", code, reply)
	}
}

func TestCallsOnDifferentConnectionsRunSideBySide(t *testing.T) {
	f, entered, release := blocked()
	d := serve(t, f)
	var all []<-chan answer
	for range 8 {
		all = append(all, d.send("GraphDriver.Get", `{"ID":"same"}`))
	}
	for range all {
		within(t, "call", entered)
	}
	close(release)
	for _, ch := range all {
		within(t, "answer", ch)
	}
}

func TestCallIsCancelledWhenItsClientGoes(t *testing.T) {
	f, entered, _ := blocked()
	ended := make(chan struct{}, 1)
	d := serve(t, f, WithObserver(func(string, time.Duration, error) { ended <- struct{}{} }))
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST /GraphDriver.Cleanup HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	within(t, "call", entered)
	_ = conn.Close()
	within(t, "end of the call", ended)
}

func TestShutdownWaitsForTheCallsInFlight(t *testing.T) {
	f, entered, release := blocked()
	d := serve(t, f)
	call := d.send("GraphDriver.Put", `{"ID":"a"}`)
	within(t, "call", entered)
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	// No new caller gets in, and the old one is still served.
	for {
		conn, err := net.Dial("unix", d.socket)
		if err != nil {
			break
		}
		_ = conn.Close()
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Serve returned (%v) with a call in flight", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if got := within(t, "answer", call); got.code != http.StatusOK || got.reply != "{}" {
		t.Errorf("answer %+v", got)
	}
	if err := within(t, "Serve", stopped); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestShutdownGivesUpOnAStuckCallAfterTheGraceTime(t *testing.T) {
	f, entered, _ := blocked()
	d := serve(t, f, WithGrace(50*time.Millisecond))
	call := d.send("GraphDriver.Put", `{"ID":"a"}`)
	within(t, "call", entered)
	err := d.stop()
	if err == nil || !strings.Contains(err.Error(), "1 calls in flight") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve: %v", err)
	}
	within(t, "the end of the stuck call", call) // its context was cancelled
}

// net/http notices a closed connection only where somebody reads from it.
func TestShutdownCancelsACallThatIsNotReadingItsBody(t *testing.T) {
	f, entered, _ := blocked()
	ended := make(chan struct{}, 1)
	d := serve(t, f, WithGrace(time.Millisecond), WithObserver(func(string, time.Duration, error) { ended <- struct{}{} }))
	upload, w := io.Pipe()
	defer w.Close()
	go func() {
		resp, err := d.client.Post("http://x/GraphDriver.ApplyDiff?id=a&parent=", "", upload)
		if err == nil {
			resp.Body.Close()
		}
	}()
	within(t, "call", entered)
	if err := d.stop(); err == nil {
		t.Error("Serve did not report the call")
	}
	within(t, "the end of the call", ended)
}

func TestServeReturnsNilAfterShutdown(t *testing.T) {
	d := serve(t, &fakeDriver{})
	if err := d.server.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := d.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeReportsAFailingListener(t *testing.T) {
	l, err := ListenUnix(t.TempDir() + "/s")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s := New(&fakeDriver{}, logrus.NewEntry(logrus.New()))
	if err := s.Serve(context.Background(), l); err == nil || !strings.Contains(err.Error(), "/s") {
		t.Errorf("Serve: %v", err)
	}
}

func TestOversizedHeaderIsRefused(t *testing.T) {
	d := serve(t, &fakeDriver{})
	got := d.raw(t, "POST /GraphDriver.Put HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 2*maxHeader)+"\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 431 ") || len(d.noted()) > 0 {
		t.Errorf("answer %.80q", got)
	}
}

func TestComplaintsOfTheHTTPServerReachTheLog(t *testing.T) {
	d := serve(t, &fakeDriver{})
	d.server.http.ErrorLog.Print("accept error")
	if e := d.log.LastEntry(); e == nil || e.Message != "accept error" || e.Level != logrus.WarnLevel {
		t.Errorf("logged %+v", e)
	}
}
