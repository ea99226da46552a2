package admin

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/crowd"
)

// Limits on what a peer can make the server hold.
const (
	maxHeaderBytes = 16 << 10
	maxBodyBytes   = 4 << 10
	maxConnections = 256

	readTimeout = 10 * time.Second
	idleTimeout = time.Minute
	// requestTimeout bounds a Source's work. It is shorter than writeTimeout,
	// so that the peer gets an error and not a cut connection.
	requestTimeout = 30 * time.Second
	writeTimeout   = 40 * time.Second
	// shutdownTimeout is what requests under way get when the daemon stops.
	shutdownTimeout = 2 * time.Second
)

// Server answers the admin socket from a Source.
type Server struct {
	source  Source
	log     logrus.FieldLogger
	allowed func(context.Context) error // may the peer change the daemon?
	mux     *http.ServeMux
	http    http.Server
}

// NewServer makes a server that logs failures and changes to log.
func NewServer(source Source, log logrus.FieldLogger) *Server {
	s := &Server{source: source, log: log, allowed: requireOwner}
	s.mux = s.routes()
	s.http = http.Server{
		Handler:        crowd.Handler(s.mux),
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ConnContext:    withPeer,
		ErrorLog:       newErrorLog(log),
	}
	crowd.Limit(&s.http, maxConnections)
	return s
}

// Handle answers GET of a path, "/metrics" say, with a handler of the caller's.
// Call it before Serve; a path that is served already panics.
func (s *Server) Handle(path string, h http.Handler) { s.mux.Handle("GET "+path, h) }

// Serve answers on l and closes it. It returns nil once ctx is cancelled or
// Shutdown is called. Call it once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	select {
	case err := <-served:
		return ignoreClosed(err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := s.Shutdown(ctx)
	return errors.Join(err, ignoreClosed(<-served))
}

// Shutdown stops listening, waits for requests under way until ctx is done, and
// then cuts their connections.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func newErrorLog(l logrus.FieldLogger) *log.Logger {
	return log.New(lineWriter(func(line string) { l.Warn("admin socket: " + line) }), "", 0)
}

// lineWriter passes each line that the standard logger writes to a function.
type lineWriter func(line string)

func (w lineWriter) Write(p []byte) (int, error) {
	w(strings.TrimSpace(string(p)))
	return len(p), nil
}
