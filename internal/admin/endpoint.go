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
	methods   []string
	elsewhere []string                    // methods of this path that another endpoint takes
	allowed   func(context.Context) error // nil: everyone who can open the socket
	answer    answerFunc
	log       logrus.FieldLogger
}

// read takes GET and HEAD. elsewhere are the path's other methods.
func (s *Server) read(f answerFunc, elsewhere ...string) *endpoint {
	return &endpoint{
		methods:   []string{http.MethodGet, http.MethodHead},
		elsewhere: elsewhere,
		answer:    f,
		log:       s.log,
	}
}

func (s *Server) change(method string, f answerFunc) *endpoint {
	return &endpoint{
		methods: []string{method},
		allowed: func(ctx context.Context) error { return s.allowed(ctx) },
		answer:  f,
		log:     s.log,
	}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !e.accept(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	body, err := e.answer(r.WithContext(ctx))
	if err != nil {
		e.fail(w, r, err)
		return
	}
	e.write(w, r, http.StatusOK, body)
}

// accept answers requests that have the wrong method or come from the wrong
// peer, and reports whether there is anything left to do.
func (e *endpoint) accept(w http.ResponseWriter, r *http.Request) bool {
	if !slices.Contains(e.methods, r.Method) {
		allowed := slices.Concat(e.methods, e.elsewhere)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		e.write(w, r, http.StatusMethodNotAllowed, ErrorBody{
			Error: "method " + r.Method + " is not allowed here, only " + strings.Join(allowed, " and "),
			Kind:  KindBadRequest,
		})
		return false
	}
	if e.allowed == nil {
		return true
	}
	if err := e.allowed(r.Context()); err != nil {
		e.fail(w, r, err)
		return false
	}
	return true
}

// fail answers with an error, unless the answer has begun.
func (e *endpoint) fail(w http.ResponseWriter, r *http.Request, err error) {
	kind, status := e.classify(r, err)
	e.write(w, r, status, ErrorBody{Error: oneLine(err.Error()), Kind: kind})
}

// oneLine is for joined errors, which come on a line each.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// classify also logs what is not the peer's fault.
func (e *endpoint) classify(r *http.Request, err error) (ErrorKind, int) {
	kind, status := classify(err)
	if kind == KindInternal {
		e.log.WithError(err).WithField("path", r.URL.Path).Error("admin request failed")
	}
	return kind, status
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
