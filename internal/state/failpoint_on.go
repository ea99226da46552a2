//go:build failpoint

package state

import "github.com/dmthin/dmthin/internal/failpoint"

// hit is a failpoint before a step that a record goes through: write, rename,
// remove or sync.
func hit(step, name string) error { return failpoint.Hit(step, kindOf(name)) }

// kindOf is a record's name for failpoints, which can't know layers.
func kindOf(name string) string {
	switch name {
	case intentName:
		return "intent"
	case deviceSetName:
		return "deviceset"
	case identityName:
		return "identity"
	case digestName:
		return "digest"
	case BaseName:
		return "base"
	}
	if IsTombstone(name) {
		return "tombstone"
	}
	return "layer"
}
