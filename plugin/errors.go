package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// ErrNotInitialised is what a Driver returns from any call that needs the
// store before an Init has succeeded. dockerd sends Init only when it starts,
// never after it had to restart a plugin.
var ErrNotInitialised = errors.New("the storage driver has not been initialised: " +
	"dockerd sends its options only when it starts, so restart dockerd; " +
	"if that fails too, its log has the reason in a line with \"Failed to GetDriver graph\"")

// requestError is a request that was refused before the driver saw it.
type requestError struct {
	reason string
}

func (e *requestError) Error() string { return e.reason }

func badRequest(format string, args ...any) error {
	return &requestError{reason: fmt.Sprintf(format, args...)}
}

// panicError is a panic of the driver, caught so that the other calls live on.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("internal error: %v; please report it with the daemon's log, which has the details", e.value)
}

// errBusy is the answer when too many calls are in flight.
var errBusy = errors.New("too many calls at once; try again")

// statusOf chooses the HTTP status of a failed call. dockerd shows the error
// of a 200 as it is, puts the method's name in front of any other, and for
// Cleanup shows nothing unless the status is 200. The body of a 200 from Diff,
// on the other hand, is a layer to dockerd, whatever it holds.
func statusOf(method string, err error) int {
	var refused *requestError
	var crashed *panicError
	switch {
	case errors.As(err, &refused):
		return http.StatusBadRequest
	case errors.As(err, &crashed):
		return http.StatusInternalServerError
	case errors.Is(err, errBusy):
		return http.StatusServiceUnavailable
	case method == methodDiff:
		return http.StatusInternalServerError
	default:
		return http.StatusOK
	}
}

// callersFault tells the failures that need no operator: a malformed request,
// or a client that left.
func callersFault(err error) bool {
	var refused *requestError
	return errors.As(err, &refused) || errors.Is(err, context.Canceled) ||
		errors.Is(err, ErrNotInitialised)
}
