package main

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
)

func (s source) Resize(ctx context.Context, req admin.ResizeRequest, report admin.Progress) (done admin.ResizeReport, err error) {
	i, leave, err := s.enter()
	if err != nil {
		return done, err
	}
	defer leave()
	before, err := i.usage(ctx)
	if err != nil {
		return done, err
	}
	done = admin.ResizeReport{
		DataBefore: before.dataTotal, Data: before.dataTotal,
		MetadataBefore: before.metadataTotal, Metadata: before.metadataTotal,
	}
	if err := refuseShrinking("data", req.Data, before.dataTotal); err != nil {
		return done, err
	}
	if err := refuseShrinking("metadata", req.Metadata, before.metadataTotal); err != nil {
		return done, err
	}
	report("enlarging the pool's devices")
	if err := i.storage.resize(ctx, req); err != nil {
		return done, err
	}
	after, err := i.usage(ctx)
	done.Data, done.Metadata = after.dataTotal, after.metadataTotal
	return done, err
}

// refuseShrinking takes 0 for leaving the device as it is. The kernel can make
// no pool smaller.
func refuseShrinking(what string, wanted, now int64) error {
	if wanted != 0 && wanted < now {
		return fmt.Errorf("%w: the pool's %s device has %s, and a thin pool can't be made smaller than it is", admin.ErrBadRequest, what, size(now))
	}
	return nil
}
