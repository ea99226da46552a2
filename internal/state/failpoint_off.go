//go:build !failpoint

package state

// hit is a failpoint in what a record goes through. Without the build tag
// failpoint there are none.
func hit(_, _ string) error { return nil }
