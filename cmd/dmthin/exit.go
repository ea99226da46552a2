package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/offline"
	"github.com/dmthin/dmthin/internal/takeover"
)

// Exit codes are a promise to scripts. They are in `dmthin --help` and
// docs/cli.md.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotReady    = 3
	exitUnreachable = 4
	exitNoLayer     = 5
	exitFound       = 6
	exitRefused     = 7
	exitInterrupted = 130
)

// refusals are what would be unsafe now.
var refusals = []error{
	admin.ErrRefused, offline.ErrActive, offline.ErrNotOurs, offline.ErrMismatch, offline.ErrParent,
	filesystem.ErrOtherMount, takeover.ErrBusy, takeover.ErrUnfinished, takeover.ErrTooNew, takeover.ErrNothing,
}

// errNotReady ends `status --exit-code`. The reasons are in its output already.
var errNotReady = errors.New("not ready")

type usageError struct {
	command string
	err     error
}

// Error puts cobra's suggestions, which come on lines of their own, on the one
// line that an error is.
func (e *usageError) Error() string {
	text := strings.Replace(e.err.Error(), "\n\nDid you mean this?\n", "; did you mean ", 1)
	text = strings.Join(strings.Fields(text), " ")
	return fmt.Sprintf("%s; see %s --help", text, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	var unreachable *admin.UnreachableError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) || ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage), errors.Is(err, admin.ErrBadRequest):
		return exitUsage
	case errors.Is(err, errNotReady), errors.Is(err, admin.ErrNotReady):
		return exitNotReady
	case slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }):
		return exitRefused
	case errors.As(err, &unreachable):
		return exitUnreachable
	case errors.Is(err, admin.ErrNoLayer), errors.Is(err, offline.ErrNoLayer):
		return exitNoLayer
	case errors.Is(err, errFound), errors.Is(err, takeover.ErrFound):
		return exitFound
	}
	return exitFailure
}

// report prints err in the chosen format and returns its exit code.
func (a *app) report(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	switch {
	case err == nil, errors.Is(err, errNotReady), errors.Is(err, errFound):
		return code
	case code == exitInterrupted:
		err = errors.New("interrupted")
	}
	text := a.oneLine(err)
	if a.format != formatJSON {
		fmt.Fprintf(a.errOut, "dmthin: %s\n", text)
		return code
	}
	line, jsonErr := json.Marshal(struct {
		Error string `json:"error"`
		Code  int    `json:"code"`
	}{text, code})
	if jsonErr != nil {
		fmt.Fprintf(a.errOut, "dmthin: %s\n", text)
		return code
	}
	fmt.Fprintf(a.errOut, "%s\n", line)
	return code
}

// oneLine is the error with joined ones in its line, and with what to do about
// the commonest mistake.
func (a *app) oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	var unreachable *admin.UnreachableError
	if errors.As(err, &unreachable) {
		text = strings.Replace(text, unreachable.Error(), a.whyUnreachable(unreachable), 1)
	}
	if errors.Is(err, fs.ErrPermission) && a.uid != 0 && !strings.Contains(text, "as root") {
		text += "; run this as root"
	}
	return text
}
