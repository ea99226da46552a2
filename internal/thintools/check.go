package thintools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// maxDamage bounds how much of a report is passed on.
const maxDamage = 20

// foundDamage tells a check that found something from one that ended otherwise:
// a signal, or 101, Rust's code for a panic. Releases before 1.0 exit with 1,
// later ones with 1 or 64 by what is damaged.
func foundDamage(exit *exec.ExitError) bool {
	const panicked = 101
	return exit.ExitCode() > 0 && exit.ExitCode() < panicked
}

// Check runs thin_check on the metadata of an inactive pool, a device or a file,
// and returns what is wrong, one line each. An error means that it could not be
// checked.
func Check(ctx context.Context, path string) (damage []string, err error) {
	return check(ctx, path)
}

// CheckDamage is Check without what loses space alone: blocks that are counted
// and belong to nothing.
func CheckDamage(ctx context.Context, path string) (damage []string, err error) {
	return check(ctx, path, "--ignore-non-fatal-errors")
}

// MendLeaks is Check, and gives back blocks that are counted and belong to
// nothing, which is no damage then; releases before 1.0 do not see any. Where
// there is damage it changes nothing.
func MendLeaks(ctx context.Context, path string) (damage []string, err error) {
	return check(ctx, path, "--auto-repair")
}

// CheckDevices is Check without the devices' mappings: it takes as long for a
// full pool as for an empty one.
func CheckDevices(ctx context.Context, path string) (damage []string, err error) {
	return check(ctx, path, "--skip-mappings")
}

// CheckHeld runs thin_check on the metadata snapshot that a live pool holds.
func CheckHeld(ctx context.Context, path string) (damage []string, err error) {
	return check(ctx, path, "-m")
}

// ClearNeedsCheck takes back the kernel's wish for a check from the metadata of
// an inactive pool, if that has no damage.
func ClearNeedsCheck(ctx context.Context, path string) (damage []string, err error) {
	return check(ctx, path, "--clear-needs-check-flag")
}

func check(ctx context.Context, path string, options ...string) ([]string, error) {
	// What can't be opened would come out as damage.
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("check pool metadata: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("check pool metadata: %w", err)
	}
	words, err := run(ctx, "thin_check", append(options, path)...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &exit):
		return nil, fmt.Errorf("check pool metadata on %s: %w", path, err)
	case !foundDamage(exit):
		return nil, fmt.Errorf("check pool metadata on %s: %w: %s", path, err, strings.Join(lines(words), "; "))
	}
	damage := lines(words)
	if len(damage) == 0 {
		return []string{"thin_check found damage and named none"}, nil
	}
	if len(damage) > maxDamage {
		damage = append(damage[:maxDamage], "…")
	}
	return damage, nil
}
