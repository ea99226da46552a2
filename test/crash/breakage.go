//go:build dmtest

package crash

import (
	"fmt"
	"os"

	"github.com/dmthin/dmthin/internal/dm"
)

// breakage is a way in which a part of the disk fails.
type breakage struct {
	name string
	on   func(whole dm.Target) dm.Target // what the part lies on then
}

// The ways. dm-flakey works for some seconds and fails for some, here for an
// hour, or for every second one.
var (
	readsFail  = breakage{"reads fail", flakey("0 3600 1 error_reads")}
	writesFail = breakage{"writes fail", flakey("0 3600 1 error_writes")}
	comesGoes  = breakage{"it comes and goes", flakey("1 1")}
	gone       = breakage{"it is gone", func(whole dm.Target) dm.Target {
		return dm.Target{Length: whole.Length, Type: "error"}
	}}
)

func flakey(how string) func(dm.Target) dm.Target {
	return func(whole dm.Target) dm.Target {
		return dm.Target{Length: whole.Length, Type: "flakey", Params: whole.Params + " " + how}
	}
}

// spoil makes a part fail from now on, also at what was in memory.
func (l *lab) spoil(part string, how breakage) error {
	if err := l.lay(part, how.on(l.below[part])); err != nil {
		return fmt.Errorf("make %s fail: %w", part, err)
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// mend makes a part work again.
func (l *lab) mend(part string) error { return l.lay(part, l.below[part]) }

// lay puts a part on something else while its users wait. Nothing is flushed or
// frozen, as nobody asks them when a disk fails.
func (l *lab) lay(part string, on dm.Target) error {
	device := dm.ID{Name: partPrefix + part}
	if err := dm.Reload(device, []dm.Target{on}); err != nil {
		return err
	}
	if err := dm.Suspend(device, dm.SuspendOptions{NoFlush: true, SkipLockfs: true}); err != nil {
		return err
	}
	return dm.Resume(device)
}
