package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// maxDamage bounds how much of a checker's report is passed on.
const maxDamage = 10

// Check looks for damage in an unmounted filesystem, changing nothing, and
// returns what it found, one line each. Its journal must be empty: a check for
// reading only takes what a journal still holds for damage. An error means that
// it could not be checked.
func Check(ctx context.Context, device string, t Type) (damage []string, err error) {
	program, args, found := "e2fsck", []string{"-f", "-n", device}, e2fsckErrorsLeft
	if t == XFS {
		program, args, found = "xfs_repair", []string{"-n", device}, xfsRepairDamage
	}
	out, err := run(ctx, device, program, args)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != found {
		return nil, err
	}
	damage = complaints(out)
	if len(damage) == 0 {
		damage = []string{fmt.Sprintf("%s found damage and named none", program)}
	}
	return damage, nil
}

// What the checkers exit with when they found damage and left it.
const (
	e2fsckErrorsLeft = 4
	xfsRepairDamage  = 1
)

// complaints leaves out the lines that every run prints.
func complaints(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "", isBanner(line), isChatter(line):
			continue
		case len(lines) == maxDamage:
			return append(lines, "…")
		}
		lines = append(lines, line)
	}
	return lines
}

func isChatter(line string) bool {
	return slices.ContainsFunc([]string{"Pass ", "Phase ", "- ", "No modify flag set"}, func(prefix string) bool {
		return strings.HasPrefix(line, prefix)
	})
}
