package admin

import (
	"context"
	"errors"
	"net/http"
)

// What a Source returns and, on the other side of the socket, a Client.
var (
	ErrNoLayer  = errors.New("no such layer")
	ErrNotReady = errors.New("the daemon is not ready")
	ErrRefused  = errors.New("refused") // doing it now would be unsafe
	// ErrBadRequest: what was asked for makes no sense, whatever the state.
	ErrBadRequest = errors.New("bad request")
)

// What a Client returns besides. The server decides these itself.
var (
	ErrForbidden   = errors.New("only root may do this")
	ErrUnsupported = errors.New("the daemon does not know this request")
)

// ErrorKind names an error on the wire.
type ErrorKind string

// The kinds of errors. Clients take an unknown one for KindInternal.
const (
	KindNoLayer     ErrorKind = "no_layer"
	KindNotReady    ErrorKind = "not_ready"
	KindRefused     ErrorKind = "refused"
	KindForbidden   ErrorKind = "forbidden"
	KindBadRequest  ErrorKind = "bad_request"
	KindUnsupported ErrorKind = "unsupported"
	KindTimeout     ErrorKind = "timeout"
	KindInternal    ErrorKind = "internal"
)

// kinds is read from top to bottom; the first match decides.
var kinds = []struct {
	err    error
	kind   ErrorKind
	status int
}{
	{ErrNoLayer, KindNoLayer, http.StatusNotFound},
	{ErrNotReady, KindNotReady, http.StatusServiceUnavailable},
	{ErrRefused, KindRefused, http.StatusConflict},
	{ErrForbidden, KindForbidden, http.StatusForbidden},
	{ErrBadRequest, KindBadRequest, http.StatusBadRequest},
	{ErrUnsupported, KindUnsupported, http.StatusNotFound},
	{context.DeadlineExceeded, KindTimeout, http.StatusGatewayTimeout},
}

func classify(err error) (ErrorKind, int) {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind, k.status
		}
	}
	return KindInternal, http.StatusInternalServerError
}

// ResponseError is an error the daemon answered with. It matches the sentinel
// of its kind.
type ResponseError struct {
	StatusCode int
	Kind       ErrorKind
	Message    string
}

// Error returns the daemon's own words.
func (e *ResponseError) Error() string { return e.Message }

// Is makes errors.Is(err, ErrNoLayer) hold across the socket.
func (e *ResponseError) Is(target error) bool {
	for _, k := range kinds {
		if k.kind == e.Kind {
			return target == k.err
		}
	}
	return false
}
