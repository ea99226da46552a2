package main

import (
	"time"

	"github.com/dmthin/dmthin/internal/admin"
)

// growthState is what the monitor knows of the pool's space.
func (i *instance) growthState() admin.Growth {
	seen := i.background.monitor.State()
	g := admin.Growth{
		Automatic:  seen.Extensions.Possible,
		Threshold:  i.storage.growth().threshold,
		Extensions: seen.Extensions.Done,
		Failure:    seen.Extensions.Failure,
	}
	if !seen.CheckedAt.IsZero() {
		g.DataLevel, g.MetadataLevel = admin.Level(seen.Data.Level.String()), admin.Level(seen.Metadata.Level.String())
	}
	if last := seen.Extensions.LastDone; !last.IsZero() {
		g.LastExtension = new(time.Time)
		*g.LastExtension = last
	}
	return g
}
