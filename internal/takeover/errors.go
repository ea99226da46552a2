package takeover

import "errors"

// What a take-over is refused for. Nothing was changed in any of these cases.
var (
	// ErrBusy: dockerd or dmthind runs, or something is mounted or active.
	ErrBusy = errors.New("it is in use")
	// ErrNothing: there is nothing to take over, hand back, undo or commit.
	ErrNothing = errors.New("nothing to do here")
	// ErrUnfinished: another operation was cut short and comes first.
	ErrUnfinished = errors.New("an earlier operation was cut short")
	// ErrFound: something is wrong with what is there.
	ErrFound = errors.New("something is wrong")
	// ErrTooNew: the installed Docker has no place for the driver.
	ErrTooNew = errors.New("this Docker can't use it")
)
