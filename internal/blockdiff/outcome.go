package blockdiff

import (
	"errors"

	"github.com/dmthin/dmthin/internal/inodescan"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// Method is how a comparison came to its answer.
type Method string

// The methods, the fastest first.
const (
	Blocks  Method = "blocks"  // changed blocks, and a look at what they hold
	Listing Method = "listing" // changed blocks, and a list of all names in the layer
	Walk    Method = "walk"    // both layers looked through
)

// Reason is why a comparison fell back to the walk.
type Reason string

// The reasons.
const (
	Busy        Reason = "busy"        // a layer or the pool's metadata are in use in a way that rules out a look at the devices
	Many        Reason = "many"        // too large a share of the layer differs
	Unclean     Reason = "unclean"     // a filesystem has changes in its journal only
	Unsupported Reason = "unsupported" // a filesystem, or a feature of it, is not known
	Unrelated   Reason = "unrelated"   // the filesystems are laid out differently
	Damaged     Reason = "damaged"     // the pool's or a filesystem's metadata make no sense
	Failed      Reason = "failed"      // something could not be read
	Mismatch    Reason = "mismatch"    // both were done, and the walk found something else
)

// Verified says of a comparison by blocks or listing that the walk found the same.
const Verified Reason = "verified"

// Outcome tells how a comparison went.
type Outcome struct {
	Method Method
	Reason Reason // of a Walk; else Verified or empty
}

// reasonOf sorts errors.
func reasonOf(err error) Reason {
	for _, r := range []struct {
		err    error
		reason Reason
	}{
		{errBusy, Busy},
		{errMany, Many},
		{inodescan.ErrTooMuch, Many},
		{inodescan.ErrUnclean, Unclean},
		{inodescan.ErrUnsupported, Unsupported},
		{inodescan.ErrUnrelated, Unrelated},
		{inodescan.ErrDamaged, Damaged},
		{thinmeta.ErrChecksum, Damaged},
		{thinmeta.ErrCorrupt, Damaged},
		{thinmeta.ErrVersion, Unsupported},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return Failed
}
