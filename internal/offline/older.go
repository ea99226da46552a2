package offline

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// whatToDo is about a layer that a repair took back to an older state.
const whatToDo = "what was written last may be missing; check its filesystem (dmthin check --filesystems), or pull or build it again"

// older names the layers whose blocks are not, or may not be, those from before the
// repair: where thin_repair can't read the newest tree of mappings it takes an older
// one, of which there are always some left, and says nothing of it.
func (p *Pool) older(ctx context.Context, d Diagnosis) (found []check.Finding, err error) {
	before, err := thinmeta.Open(d.saved)
	if err != nil {
		return nil, nil // without a superblock nobody knows which was the newest
	}
	defer func() { err = errors.Join(err, before.Close()) }()
	after, err := thinmeta.Open(d.Metadata)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, after.Close()) }()
	records, err := p.records.Scan()
	if err != nil {
		return nil, err
	}
	was, is := before.Sums(), after.Sums()
	for name, r := range records.Layers {
		now, err := is.Device(ctx, r.DeviceID)
		if errors.Is(err, thinmeta.ErrNoDevice) {
			continue // lost, which is a finding already
		}
		if err != nil {
			return nil, err
		}
		then, err := was.Device(ctx, r.DeviceID)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			found = append(found, olderContent(name, "its blocks can't be read in the damaged metadata (%v), so thin_repair may have taken older ones: %s", err, whatToDo))
		case then != now:
			found = append(found, olderContent(name, "thin_repair took an older state of its blocks: %s", whatToDo))
		}
	}
	return found, nil
}

func olderContent(layer, format string, args ...any) check.Finding {
	return check.Finding{Severity: check.Error, Kind: check.OlderContent, Subject: layer, Message: fmt.Sprintf(format, args...)}
}
