package config

import (
	"errors"
	"fmt"
)

// ErrUnknownOption is wrapped by the error for an option that doesn't exist.
var ErrUnknownOption = errors.New("unknown option")

// ErrContradiction is wrapped by the error for options that exclude or need
// each other.
var ErrContradiction = errors.New("options contradict each other")

// ValueError is a value that an option doesn't take.
type ValueError struct {
	Option  string // as in Table, or "size"
	Value   string // as given
	Reason  string // what is wrong with it
	Accepts string // what the option takes
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s=%q: %s; accepted: %s", e.Option, e.Value, e.Reason, e.Accepts)
}
