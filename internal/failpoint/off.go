//go:build !failpoint

package failpoint

// Enabled says whether failpoints are compiled in.
const Enabled = false

// Hit does nothing.
func Hit(string, string) error { return nil }

// Planted is always false.
func Planted(string) bool { return false }
