package main

import (
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/dmthin/dmthin/internal/admin"
)

// progress shows on a terminal what long work is at, on one line of standard
// error that done wipes. Elsewhere it shows nothing: logs of scripts are not for
// watching.
func (a *app) progress() (report admin.Progress, done func()) {
	f, ok := a.errOut.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string) {}, func() {}
	}
	const wipe = "\r\033[K"
	report = func(message string) {
		width, _, err := term.GetSize(int(f.Fd()))
		if err == nil && width > 1 && len(message) >= width {
			message = message[:width-1] // a longer one could not be wiped
		}
		fmt.Fprint(f, wipe+printable(message))
	}
	return report, func() { fmt.Fprint(f, wipe) }
}

// step shows what an offline command does to the pool, everywhere: whoever
// finds the pool broken later wants to know.
func (a *app) step(message string) { fmt.Fprintf(a.errOut, "dmthin: %s\n", printable(message)) }
