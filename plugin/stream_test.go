package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDiffStreamsTheWholeTar(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	d := serve(t, &fakeDriver{diff: func(_ context.Context, w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(want))
		return err
	}})
	resp := d.open(t, "GraphDriver.Diff", strings.NewReader(`{"ID":"a","Parent":"b"}`))
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, want) || resp.StatusCode != http.StatusOK {
		t.Errorf("status %d, %d bytes, %v; want all %d", resp.StatusCode, len(got), err, len(want))
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" || resp.Uncompressed {
		t.Error("the stream was compressed")
	}
	if calls := d.noted(); len(calls) != 1 || calls[0] != `Diff a "b"` {
		t.Errorf("driver calls %q", calls)
	}
}

func TestDiffOfNothingIsAnEmptyStream(t *testing.T) {
	d := serve(t, &fakeDriver{})
	if code, got := d.post(t, "GraphDriver.Diff", strings.NewReader(`{"ID":"a"}`)); code != http.StatusOK || got != "" {
		t.Errorf("answer %d %q", code, got)
	}
}

func TestEarlyDiffErrorIsReportedWithItsText(t *testing.T) {
	d := serve(t, &fakeDriver{diff: func(_ context.Context, w io.Writer) error {
		_, _ = w.Write(make([]byte, diffBuffer-1)) // still held back
		return errors.New("layer a is damaged")
	}})
	code, reply := d.post(t, "GraphDriver.Diff", strings.NewReader(`{"ID":"a"}`))
	if code != http.StatusInternalServerError || strings.TrimSpace(reply) != `{"Err":"layer a is damaged"}` {
		t.Errorf("answer %d %q, want 500 and nothing but the error", code, reply)
	}
}

// The trap in this protocol: a stream that ends in order is a whole layer.
func TestLateDiffErrorBreaksTheStream(t *testing.T) {
	late := map[string]func(){
		"error": func() {},
		"panic": func() { panic("late") },
	}
	for name, fail := range late {
		t.Run(name, func(t *testing.T) {
			d := serve(t, &fakeDriver{diff: func(_ context.Context, w io.Writer) error {
				_, _ = w.Write(make([]byte, diffBuffer+1))
				fail()
				return errors.New("read failed")
			}})
			resp := d.open(t, "GraphDriver.Diff", strings.NewReader(`{"ID":"a"}`))
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); err == nil {
				t.Errorf("the client read %d bytes and an orderly end", n)
			}
			d.diff = nil
			if code, _ := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"a"}`)); code != http.StatusOK {
				t.Errorf("the next call got %d", code)
			}
		})
	}
}

func TestDiffStopsWhenTheClientGoes(t *testing.T) {
	stopped := make(chan error, 1)
	d := serve(t, &fakeDriver{diff: func(ctx context.Context, w io.Writer) error {
		_, _ = w.Write(make([]byte, diffBuffer+1))
		<-ctx.Done()
		stopped <- ctx.Err()
		return ctx.Err()
	}})
	resp := d.open(t, "GraphDriver.Diff", strings.NewReader(`{"ID":"a"}`))
	_ = resp.Body.Close()
	if err := within(t, "driver's context", stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended with %v", err)
	}
}

func TestApplyDiffHandsOverTheWholeStream(t *testing.T) {
	want := strings.Repeat("tar", 1<<18)
	got := make(chan string, 1)
	d := serve(t, &fakeDriver{answers: answers{size: 5}, apply: func(_ context.Context, r io.Reader) error {
		all, err := io.ReadAll(r)
		got <- string(all)
		return err
	}})
	code, reply := d.post(t, "GraphDriver.ApplyDiff?id=a&parent=b", chunked(want))
	if code != http.StatusOK || strings.TrimSpace(reply) != `{"Size":5}` || <-got != want {
		t.Errorf("answer %d %s, or the stream was changed", code, reply)
	}
}

func TestZeroByteLayerIsALayer(t *testing.T) {
	d := serve(t, &fakeDriver{})
	code, reply := d.post(t, "GraphDriver.ApplyDiff?id=a&parent=", chunked(""))
	if code != http.StatusOK || strings.TrimSpace(reply) != `{"Size":0}` || len(d.noted()) != 1 {
		t.Errorf("answer %d %s, driver calls %q", code, reply, d.noted())
	}
}

// A driver may stop at the tar's end, or ignore a read error; a body that broke
// off is a failure all the same.
func TestApplyDiffOfABrokenStreamFails(t *testing.T) {
	drivers := map[string]func(context.Context, io.Reader) error{
		"driver reads to the end": func(_ context.Context, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		},
		"driver ignores the error": func(_ context.Context, r io.Reader) error {
			_, _ = io.Copy(io.Discard, r)
			return nil
		},
		"driver stops before it": func(_ context.Context, r io.Reader) error {
			_, _ = r.Read(make([]byte, 1))
			return nil
		},
	}
	for name, apply := range drivers {
		t.Run(name, func(t *testing.T) {
			seen := make(chan error, 1)
			d := serve(t, &fakeDriver{apply: apply}, WithObserver(func(_ string, _ time.Duration, err error) { seen <- err }))
			req, err := http.NewRequest(http.MethodPost, "http://x/GraphDriver.ApplyDiff?id=a&parent=", brokenBody("some tar"))
			if err != nil {
				t.Fatal(err)
			}
			if resp, err := d.client.Do(req); err == nil {
				resp.Body.Close()
			}
			if within(t, "the call", seen) == nil {
				t.Error("the call succeeded")
			}
		})
	}
}

func TestBrokenUploadIsAnsweredWithAnError(t *testing.T) {
	d := serve(t, &fakeDriver{})
	got := d.raw(t, "POST /GraphDriver.ApplyDiff?id=a&parent= HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc")
	if !strings.Contains(got, `{"Err":"apply to layer a: the tar stream from dockerd broke off: unexpected EOF"}`) {
		t.Errorf("answer %q", got)
	}
}

func TestFailedApplyDiffIsReportedThoughTheUploadGoesOn(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"short rest":   chunked(strings.Repeat("x", 1<<20)),
		"endless rest": endless{},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, &fakeDriver{err: errors.New("no space in pool p")})
			code, reply := d.post(t, "GraphDriver.ApplyDiff?id=a&parent=b", body)
			if code != http.StatusOK || strings.TrimSpace(reply) != `{"Err":"no space in pool p"}` {
				t.Errorf("answer %d %s", code, reply)
			}
		})
	}
}

func TestFailedApplyDiffIsReportedThoughTheUploadStalls(t *testing.T) {
	d := serve(t, &fakeDriver{err: errors.New("no space in pool p")})
	stalled, w := io.Pipe()
	defer w.Close()
	code, reply := d.post(t, "GraphDriver.ApplyDiff?id=a&parent=b", io.MultiReader(strings.NewReader("x"), stalled))
	if code != http.StatusOK || strings.TrimSpace(reply) != `{"Err":"no space in pool p"}` {
		t.Errorf("answer %d %s", code, reply)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// docker commit reads a Diff and feeds it to an ApplyDiff of the same daemon.
func TestDiffAndApplyDiffRunAtTheSameTime(t *testing.T) {
	const size = 8 << 20
	applied := make(chan int64, 1)
	d := serve(t, &fakeDriver{
		diff: func(_ context.Context, w io.Writer) error {
			_, err := io.CopyN(w, endless{}, size)
			return err
		},
		apply: func(_ context.Context, r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			applied <- n
			return err
		},
	})
	stream := d.open(t, "GraphDriver.Diff", strings.NewReader(`{"ID":"c","Parent":"c-init"}`))
	defer stream.Body.Close()
	if code, reply := d.post(t, "GraphDriver.ApplyDiff?id=new&parent=p", stream.Body); code != http.StatusOK {
		t.Errorf("answer %d %s", code, reply)
	}
	if n := <-applied; n != size {
		t.Errorf("%d bytes arrived, want %d", n, size)
	}
}
