package dm

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorSaysWhatWasAskedOfWhom(t *testing.T) {
	for want, err := range map[string]*Error{
		`device-mapper message docker-pool "delete 5": device or resource busy`: {"message", "docker-pool", "delete 5", unix.EBUSY},
		`device-mapper remove x: no such device or address`:                     {"remove", "x", "", unix.ENXIO},
		`device-mapper list: libdevmapper failed without an error number (its log says more)`: {
			Op: "list",
		},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestErrnoIsFoundInError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &Error{Op: "remove", Errno: unix.EBUSY})
	if !errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENXIO) {
		t.Errorf("%v: wrong errno", err)
	}
	if unwrapped := errors.Unwrap(&Error{Op: "remove"}); unwrapped != nil {
		t.Errorf("no errno unwraps to %v", unwrapped)
	}
}
