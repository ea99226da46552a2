package plugin

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/docker/go-plugins-helpers/sdk"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/crowd"
)

// ServeHTTP answers one call of dockerd.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, known := routes[r.URL.Path]
	switch {
	case !known:
		// dockerd takes a 404 for "this plugin is too old for the call".
		s.log.WithField("path", r.URL.Path).Warn("unknown call")
		reject(w, http.StatusNotFound, fmt.Sprintf("there is no call %q", r.URL.Path))
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		reject(w, http.StatusMethodNotAllowed, "want POST, not "+r.Method)
		return
	}
	s.serve(&call{w: w, r: r, method: route.method, bodyTime: s.bodyTime}, route.handle)
}

func (s *Server) serve(c *call, handle handler) {
	start := time.Now()
	reply, err := s.run(c, handle)
	s.record(c, time.Since(start), err)
	switch {
	case err != nil && c.started:
		// dockerd takes a stream that ends in order for a whole layer.
		panic(http.ErrAbortHandler)
	case err != nil:
		reject(c.w, statusOf(c.method, err), err.Error())
	case reply != nil:
		sdk.EncodeResponse(c.w, reply, false)
	}
}

// run does the call within the limit of calls in flight, and turns a panic
// into an error.
//
// A body is read before: as long as it takes to come, it holds up nobody else.
func (s *Server) run(c *call, handle handler) (reply any, err error) {
	if c.hasObject() {
		if c.object, err = c.readBody(); err != nil {
			return nil, err
		}
	}
	places := s.inFlight
	if c.isStream() {
		places = s.streams
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	default:
		return nil, errBusy
	}
	defer crowd.AtWork(c.r.Context())()
	defer func() {
		if v := recover(); v != nil {
			reply, err = nil, &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return handle(c.r.Context(), s, c)
}

// record writes the log and tells the observer.
func (s *Server) record(c *call, d time.Duration, err error) {
	log := s.log.WithFields(logrus.Fields{"op": c.method, "duration": d})
	if c.layer != "" {
		log = log.WithField("layer", c.layer)
	}
	var crashed *panicError
	switch {
	case err == nil:
		log.Debug("call done")
	case errors.As(err, &crashed):
		log.WithField("stack", string(crashed.stack)).WithError(err).Error("call panicked")
	case callersFault(err):
		log.WithError(err).Warn("call failed")
	default:
		log.WithError(err).Error("call failed")
	}
	if s.observe != nil {
		s.observe(c.method, d, err)
	}
}

// reject answers with an error, in one line, which the docker command shows as
// it is. The text can't be empty: dockerd takes an empty Err for success.
func reject(w http.ResponseWriter, status int, text string) {
	if text == "" {
		text = "failed without a reason; the daemon's log may have one"
	}
	w.Header().Set("Content-Type", sdk.DefaultContentTypeV1_1)
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	sdk.EncodeResponse(w, errorReply{Err: strings.ReplaceAll(text, "\n", "; ")}, false)
}
