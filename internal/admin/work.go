package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// workBodyBytes bounds the requests of long work: Collect names layers, some
// 100 bytes each.
const workBodyBytes = 16 << 20

// workFunc does long work and says what it is at.
type workFunc func(r *http.Request, report Progress) (any, error)

// workLine is one line of an answer to long work. The last one has Result or
// Error, the others have Progress.
type workLine struct {
	Progress string          `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	*ErrorBody
}

// work answers with one JSON value a line, so that the peer sees the work go on
// and no timeout needs to know how long it takes. A failure before the first
// line is an ordinary error.
func (s *Server) work(f workFunc) http.Handler {
	e := s.change(http.MethodPost, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.accept(w, r) {
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		lines := &lineSender{w: w, control: http.NewResponseController(w), lost: cancel}
		if err := lines.readBody(r); err != nil {
			e.fail(w, r, err)
			return
		}
		result, err := f(r.WithContext(ctx), lines.progress)
		if err == nil {
			err = lines.result(result)
		}
		switch {
		case err == nil:
		case lines.started:
			kind, _ := e.classify(r, err)
			lines.send(workLine{ErrorBody: &ErrorBody{Error: err.Error(), Kind: kind}})
		default:
			e.fail(w, r, err)
		}
	})
}

// lineSender writes lines. Each may take writeTimeout; a peer that reads
// slower than that ends the work.
type lineSender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	started bool
	lost    context.CancelFunc
}

// readBody reads the request to its end and lifts the read timeout: that is for
// the request, and would cut the work short.
func (l *lineSender) readBody(r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(l.w, r.Body, workBodyBytes))
	if err != nil {
		return badBody(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return l.control.SetReadDeadline(time.Time{})
}

func (l *lineSender) progress(message string) { l.send(workLine{Progress: message}) }

func (l *lineSender) result(v any) error {
	raw, err := json.Marshal(v)
	if err == nil {
		l.send(workLine{Result: raw})
	}
	return err
}

func (l *lineSender) send(line workLine) {
	raw, err := json.Marshal(line)
	if err == nil {
		err = l.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	if err == nil {
		if !l.started {
			l.w.Header().Set("Content-Type", "application/x-ndjson")
		}
		l.started = true
		_, err = l.w.Write(append(raw, '\n'))
	}
	if err == nil {
		err = l.control.Flush()
	}
	if err != nil {
		l.lost()
	}
}
