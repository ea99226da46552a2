package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
)

// answerFunc returns the body of a success.
type answerFunc func(*http.Request) (any, error)

// endpoint is one path: which methods it takes, from whom, and how it answers.
// http.ServeMux could match methods itself, but its 405 is not JSON.
type endpoint struct {
	methods []string
	allowed func(context.Context) error // nil: everyone who can open the socket
	answer  answerFunc
	log     logrus.FieldLogger
}

func (s *Server) read(f answerFunc) http.Handler {
	return &endpoint{methods: []string{http.MethodGet, http.MethodHead}, answer: f, log: s.log}
}

func (s *Server) change(method string, f answerFunc) http.Handler {
	return &endpoint{
		methods: []string{method},
		allowed: func(ctx context.Context) error { return s.allowed(ctx) },
		answer:  f,
		log:     s.log,
	}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		e.write(w, r, http.StatusMethodNotAllowed, ErrorBody{
			Error: "method " + r.Method + " is not allowed here, only " + strings.Join(e.methods, " and "),
			Kind:  KindBadRequest,
		})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	body, err := e.run(r.WithContext(ctx))
	if err != nil {
		kind, status := classify(err)
		if kind == KindInternal {
			e.log.WithError(err).WithField("path", r.URL.Path).Error("admin request failed")
		}
		e.write(w, r, status, ErrorBody{Error: err.Error(), Kind: kind})
		return
	}
	e.write(w, r, http.StatusOK, body)
}

func (e *endpoint) run(r *http.Request) (any, error) {
	if e.allowed != nil {
		if err := e.allowed(r.Context()); err != nil {
			return nil, err
		}
	}
	return e.answer(r)
}

func (e *endpoint) write(w http.ResponseWriter, r *http.Request, status int, body any) {
	out, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		// Only a Source that breaks its types gets here, a time beyond the year 9999 say.
		e.log.WithError(err).WithField("path", r.URL.Path).Error("admin answer can't be written as JSON")
		http.Error(w, `{"error": "the answer can't be written as JSON", "kind": "internal"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(out, '\n')); err != nil {
		e.log.WithError(err).WithField("path", r.URL.Path).Debug("admin peer went away")
	}
}
