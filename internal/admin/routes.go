package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
)

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/v1/version", s.read(s.version))
	mux.Handle("/v1/status", s.read(s.status))
	mux.Handle("/v1/layers", s.read(s.layers, http.MethodPost))
	mux.Handle("/v1/layers/{id}", s.read(s.layer, http.MethodDelete))
	mux.Handle("/v1/log-level", s.change(http.MethodPut, s.setLogLevel))
	s.maintenanceRoutes(mux)
	mux.Handle("/healthz", s.read(s.alive))
	mux.Handle("/readyz", s.read(s.ready))
	mux.Handle("/", s.read(unknownRoute))
	return mux
}

func (s *Server) version(*http.Request) (any, error) {
	return s.source.Version(), nil
}

func (s *Server) status(r *http.Request) (any, error) {
	st, err := s.source.Status(r.Context())
	// A list is never null, so that a script can loop over it.
	st.Leaked = append([]uint32{}, st.Leaked...)
	st.Problems = append([]string{}, st.Problems...)
	st.Error = oneLine(st.Error)
	return st, err
}

func (s *Server) layers(r *http.Request) (any, error) {
	layers, err := s.source.Layers(r.Context())
	sorted := append([]Layer{}, layers...)
	slices.SortFunc(sorted, func(a, b Layer) int { return strings.Compare(a.ID, b.ID) })
	return LayerList{Layers: sorted}, err
}

func (s *Server) layer(r *http.Request) (any, error) {
	return s.source.Layer(r.Context(), r.PathValue("id"))
}

func (s *Server) setLogLevel(r *http.Request) (any, error) {
	var req LogLevel
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	level, err := logrus.ParseLevel(req.Level)
	if err != nil {
		return nil, fmt.Errorf("%w: log level %q is none of error, warning, info, debug, trace", ErrBadRequest, req.Level)
	}
	if err := s.source.SetLogLevel(r.Context(), level.String()); err != nil {
		return nil, err
	}
	s.log.WithField("level", level).Info("log level changed through the admin socket")
	return LogLevel{Level: level.String()}, nil
}

func (s *Server) alive(*http.Request) (any, error) {
	return Health{Status: "ok"}, nil
}

// ready answers every failure as "not ready", whatever its cause: a probe wants
// one answer.
func (s *Server) ready(r *http.Request) (any, error) {
	err := s.source.Healthy(r.Context())
	switch {
	case err == nil:
		return Health{Status: "ok"}, nil
	case errors.Is(err, ErrNotReady):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
}

func unknownRoute(r *http.Request) (any, error) {
	return nil, fmt.Errorf("%w: %s", ErrUnsupported, r.URL.Path)
}

// decode wants one JSON object. Unknown keys are let through: a newer client
// may send them.
func decode(body io.Reader, into any) error {
	d := json.NewDecoder(body)
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	if err == nil {
		return nil
	}
	return badBody(err)
}

func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: the body is larger than %d bytes", ErrBadRequest, tooLarge.Limit)
	case errors.Is(err, context.Canceled):
		return err
	default:
		return fmt.Errorf("%w: the body is not a JSON object: %w", ErrBadRequest, err)
	}
}
