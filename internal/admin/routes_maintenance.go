package admin

import (
	"io"
	"net/http"
)

func (s *Server) maintenanceRoutes(mux *http.ServeMux) {
	mux.Handle("/v1/check", s.work(s.check))
	mux.Handle("/v1/collect", s.work(s.collect))
	mux.Handle("/v1/trim", s.work(s.trim))
	mux.Handle("/v1/resize", s.work(s.resize))
	mux.HandleFunc("/v1/backup", s.backup)
	mux.Handle("POST /v1/layers", s.change(http.MethodPost, s.snapshot))
	mux.Handle("DELETE /v1/layers/{id}", s.change(http.MethodDelete, s.remove))
	mux.Handle("/v1/layers/{id}/hold", s.change(http.MethodPost, s.hold))
	mux.Handle("DELETE /v1/layers/{id}/hold", s.change(http.MethodDelete, s.release))
}

func (s *Server) check(r *http.Request, report Progress) (any, error) {
	var req CheckRequest
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	found, err := s.source.Check(r.Context(), req, report)
	found.Findings = append([]Finding{}, found.Findings...)
	return found, err
}

func (s *Server) collect(r *http.Request, report Progress) (any, error) {
	var req CollectRequest
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	done, err := s.source.Collect(r.Context(), req, report)
	done.Garbage = append([]Garbage{}, done.Garbage...)
	return done, err
}

func (s *Server) trim(r *http.Request, report Progress) (any, error) {
	var req TrimRequest
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	done, err := s.source.Trim(r.Context(), req, report)
	done.Layers = append([]Trimmed{}, done.Layers...)
	return done, err
}

func (s *Server) resize(r *http.Request, report Progress) (any, error) {
	var req ResizeRequest
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	return s.source.Resize(r.Context(), req, report)
}

func (s *Server) snapshot(r *http.Request) (any, error) {
	var req SnapshotRequest
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	return s.source.Snapshot(r.Context(), req)
}

func (s *Server) remove(r *http.Request) (any, error) {
	force := r.URL.Query().Get("force") == "true"
	return Done{Status: "ok"}, s.source.Remove(r.Context(), r.PathValue("id"), force)
}

func (s *Server) hold(r *http.Request) (any, error) {
	var req HoldRequest
	if err := decode(r.Body, &req); err != nil {
		return nil, err
	}
	return s.source.Hold(r.Context(), r.PathValue("id"), req)
}

func (s *Server) release(r *http.Request) (any, error) {
	return Done{Status: "ok"}, s.source.Release(r.Context(), r.PathValue("id"))
}

// backup answers with a tar. A failure after its first byte cuts the
// connection, so that nobody takes half an archive for a whole one.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	e := s.change(http.MethodGet, nil)
	if !e.accept(w, r) {
		return
	}
	out := &startWatcher{w: w}
	w.Header().Set("Content-Type", "application/x-tar")
	err := s.source.Backup(r.Context(), out)
	switch {
	case err == nil:
	case out.started:
		s.log.WithError(err).Error("a backup of the records was cut short")
		panic(http.ErrAbortHandler)
	default:
		e.fail(w, r, err)
	}
}

// startWatcher notes whether anything was written.
type startWatcher struct {
	w       io.Writer
	started bool
}

func (s *startWatcher) Write(p []byte) (int, error) {
	s.started = true
	return s.w.Write(p)
}
