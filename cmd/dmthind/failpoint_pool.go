//go:build failpoint

package main

import (
	"context"

	"github.com/dmthin/dmthin/internal/failpoint"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// failingPool has the failpoints of the write protocol, and two faults that can
// be planted in it: its third and fourth step swapped, and the intent taken
// back before the transaction is closed.
type failingPool struct {
	layer.Pool

	records *state.Store
	ahead   bool // the transaction was closed too early
}

func (f *failingPool) Status(ctx context.Context) (s thinpool.Status, err error) {
	err = around("status", func() error { s, err = f.Pool.Status(ctx); return err })
	return s, err
}

func (f *failingPool) CreateThin(ctx context.Context, id thinpool.DeviceID) error {
	return around("createthin", func() error { return f.Pool.CreateThin(ctx, id) })
}

func (f *failingPool) CreateSnapshot(ctx context.Context, id, origin thinpool.DeviceID) error {
	err := around("createsnapshot", func() error { return f.Pool.CreateSnapshot(ctx, id, origin) })
	if err != nil {
		return err
	}
	return f.misbehave(ctx)
}

// misbehave does what a planted fault has it do after a snapshot.
func (f *failingPool) misbehave(ctx context.Context) error {
	swapped, early := failpoint.Planted("swapped-steps"), failpoint.Planted("early-retirement")
	if !swapped && !early {
		return nil
	}
	status, err := f.Pool.Status(ctx)
	if err != nil {
		return err
	}
	if early {
		return f.records.WriteIntent(state.Intent{OpenTransactionID: status.TransactionID})
	}
	f.ahead = true
	return f.Pool.SetTransactionID(ctx, status.TransactionID, status.TransactionID+1)
}

func (f *failingPool) Delete(ctx context.Context, id thinpool.DeviceID) error {
	return around("delete", func() error { return f.Pool.Delete(ctx, id) })
}

func (f *failingPool) SetTransactionID(ctx context.Context, from, to uint64) error {
	if f.ahead {
		f.ahead = false
		return nil
	}
	if err := around("settransaction", func() error { return f.Pool.SetTransactionID(ctx, from, to) }); err != nil {
		return err
	}
	if failpoint.Planted("early-retirement") {
		return f.records.WriteIntent(state.Intent{OpenTransactionID: to})
	}
	return nil
}
