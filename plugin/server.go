package plugin

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/crowd"
)

const (
	// headerTime is how long a client may take to send a request's header.
	headerTime = 10 * time.Second
	// bodyTime is how long a client may take to send a JSON body. dockerd sends
	// it with the header.
	bodyTime = time.Minute
	// maxHeader bounds a request's header in bytes. dockerd's has some 400.
	maxHeader = 16 << 10
	// DefaultMaxInFlight bounds the calls in flight, and half of it the streams
	// besides. dockerd sends a few dozen at most.
	DefaultMaxInFlight = 1024
	// DefaultGrace is how long Serve waits for calls in flight when its context
	// ends: dockerd kills a plugin 10 s after it has sent SIGTERM.
	DefaultGrace = 8 * time.Second
)

// Server answers dockerd's calls with a Driver. Make it with New.
type Server struct {
	driver   Driver
	log      *logrus.Entry
	observe  Observer
	grace    time.Duration
	bodyTime time.Duration
	inFlight chan struct{} // a token for each call the driver is working on, but for streams
	streams  chan struct{} // a token for each stream, which lasts as long as its client likes
	http     *http.Server
	cancel   context.CancelFunc // ends the contexts of all calls
}

// Observer is told of each call that was for a method of the protocol, after
// the driver is done and before the answer is sent. It must not block.
type Observer func(method string, d time.Duration, err error)

// Option changes a Server before it starts.
type Option func(*Server)

// WithObserver makes the server tell o of each call.
func WithObserver(o Observer) Option {
	return func(s *Server) { s.observe = o }
}

// WithGrace replaces DefaultGrace.
func WithGrace(d time.Duration) Option {
	return func(s *Server) { s.grace = d }
}

// WithMaxInFlight replaces DefaultMaxInFlight. A call above the limit is
// answered with an error at once.
func WithMaxInFlight(n int) Option {
	return func(s *Server) { s.inFlight = make(chan struct{}, n) }
}

// New returns a server that answers calls with d and logs each to log:
// successes at debug level, failures at warn or error.
func New(d Driver, log *logrus.Entry, opts ...Option) *Server {
	base, cancel := context.WithCancel(context.Background())
	s := &Server{
		driver:   d,
		log:      log,
		grace:    DefaultGrace,
		bodyTime: bodyTime,
		inFlight: make(chan struct{}, DefaultMaxInFlight),
		cancel:   cancel,
	}
	for _, o := range opts {
		o(s)
	}
	// There is no time limit on a call: a diff or an upload may run for
	// minutes. Nor on an idle connection: when dockerd sends a call just as its
	// connection is being closed, its retry comes without the body. So only what
	// a crowd pushes out is closed.
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(httpLog{log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	s.streams = make(chan struct{}, (cap(s.inFlight)+1)/2)
	// More than calls, so that there is always one that is not at work.
	crowd.Limit(s.http, 2*cap(s.inFlight))
	return s
}

// Serve answers calls that arrive on l until ctx ends or Shutdown is called,
// and closes l. When ctx ends it shuts down as Shutdown does, within the grace
// time, so that calls in flight are not cut off with ctx. A server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	select {
	case err := <-served:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve dockerd on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	err := s.Shutdown(bounded)
	<-served
	return err
}

// Shutdown stops accepting calls and waits for those in flight. When ctx ends
// first, it cancels their contexts, closes their connections and returns an
// error that says how many there were; it does not wait for the driver then.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		left := len(s.inFlight) + len(s.streams)
		_ = s.http.Close()
		return fmt.Errorf("shut down with %d calls in flight: %w", left, err)
	}
	return nil
}

// httpLog passes net/http's own complaints to the log.
type httpLog struct {
	log *logrus.Entry
}

func (h httpLog) Write(p []byte) (int, error) {
	h.log.Warn(strings.TrimSpace(string(p)))
	return len(p), nil
}
