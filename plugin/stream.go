package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// diffBuffer is how much of a diff is held back before the answer starts.
	// An error within it still reaches the user as a text.
	diffBuffer = 64 << 10

	// After a failed ApplyDiff dockerd may still be sending. It reads the
	// answer most surely once it has sent everything, so wait for that, but not
	// for a whole layer: net/http then closes the connection after the answer.
	drainLimit = 4 << 20
	drainTime  = time.Second
)

func diff(ctx context.Context, s *Server, c *call) (any, error) {
	b, err := c.layerBody()
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(streamWriter{c}, diffBuffer)
	if err := s.driver.Diff(ctx, b.ID, b.Parent, out); err != nil {
		return nil, err
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("send the diff of layer %s: %w", b.ID, err)
	}
	c.startStream() // for a diff without a byte
	return nil, nil
}

// streamWriter starts the answer with the first byte.
type streamWriter struct {
	c *call
}

func (s streamWriter) Write(p []byte) (int, error) {
	s.c.startStream()
	return s.c.w.Write(p)
}

func (c *call) startStream() {
	if !c.started {
		c.w.Header().Set("Content-Type", "application/x-tar")
		c.started = true
	}
}

func applyDiff(ctx context.Context, s *Server, c *call) (any, error) {
	id, parent, err := parseApplyQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	c.layer = id
	// A layer comes in chunks, even one of no bytes, which old images have
	// (moby #18170). No body at all is a retry.
	if c.r.ContentLength == 0 {
		return nil, errNoBody
	}
	upload := &uploadReader{r: c.r.Body}
	size, err := s.driver.ApplyDiff(ctx, id, parent, upload)
	if err != nil {
		c.drain(upload)
		return nil, err
	}
	// A tar ends before its stream does. If the rest doesn't arrive, dockerd
	// has broken off, and may have meant to send something else.
	_, _ = io.Copy(io.Discard, upload) // the reader keeps its error
	if upload.err != nil {
		return nil, fmt.Errorf("apply to layer %s: the tar stream from dockerd broke off: %w", id, upload.err)
	}
	return sizeReply{Size: size}, nil
}

// uploadReader remembers that a body broke off, whatever its reader makes of
// the error.
type uploadReader struct {
	r   io.Reader
	err error
}

func (u *uploadReader) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// drain takes in what dockerd still sends, within bounds.
func (c *call) drain(rest *uploadReader) {
	if rest.err != nil {
		return
	}
	// The deadline stays for net/http, which reads on before it answers. It
	// lifts the deadline for the connection's next request.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, rest, drainLimit)
}
