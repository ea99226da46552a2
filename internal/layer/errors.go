package layer

import "errors"

// Sentinels for callers that act on the kind of failure. The texts of wrapping
// errors name the layer.
var (
	ErrUnknown     = errors.New("unknown layer")
	ErrExists      = errors.New("layer already exists")
	ErrUnfinished  = errors.New("layer is unfinished")
	ErrDamaged     = errors.New("layer's record is damaged")
	ErrPoolLow     = errors.New("thin pool is low on free space")
	ErrDiverged    = errors.New("pool and records disagree")
	ErrChangesShut = errors.New("pool takes no changes")
	ErrInUse       = errors.New("layer is in use")
)
