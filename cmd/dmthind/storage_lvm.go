package main

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/backend/directlvm"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// lvmStorage is a pool that LVM or the operator made: we use it, grow it as
// LVM's policy says, and never remove it.
type lvmStorage struct {
	i       *instance
	kind    admin.Backend
	backend *directlvm.Pool
	grow    growth
}

func (i *instance) openDirectLVM(ctx context.Context, fresh bool) (storage, error) {
	pool, err := directlvm.OpenAutomatic(ctx, i.directConfig(fresh), directlvm.Setup(i.options.DirectLVM))
	if err != nil {
		return nil, err
	}
	return i.newLVMStorage(ctx, admin.BackendDirectLVM, pool)
}

func (i *instance) openThinPool(ctx context.Context, fresh bool) (storage, error) {
	pool, err := directlvm.OpenManual(ctx, i.directConfig(fresh), i.options.ThinPoolDevice)
	if err != nil {
		return nil, err
	}
	return i.newLVMStorage(ctx, admin.BackendThinPool, pool)
}

func (i *instance) directConfig(fresh bool) directlvm.Config {
	cfg := directlvm.Config{
		StateDir:       i.stateDir,
		Identity:       i.identity.PoolID,
		ThinUUIDPrefix: i.uuidPrefix(),
		Existing:       !fresh,
		Log:            i.log,
	}
	if i.options.BlockSizeSet {
		cfg.BlockSize = i.options.BlockSize
	}
	return cfg
}

func (i *instance) newLVMStorage(ctx context.Context, kind admin.Backend, pool *directlvm.Pool) (storage, error) {
	s := &lvmStorage{i: i, kind: kind, backend: pool}
	if i.options.BlockSizeSet && pool.BlockSize() != i.options.BlockSize {
		return s, fmt.Errorf("dm.blocksize is %d bytes, but the pool %s was made with %d; remove the option", i.options.BlockSize, pool.PoolName(), pool.BlockSize())
	}
	if pool.Volume() == "" {
		s.grow.howTo = "the pool is not LVM's: grow its devices, then load its table with the new length (dmsetup reload, resume)"
		return s, nil
	}
	policy, err := pool.Policy(ctx)
	if err != nil {
		return s, err
	}
	if policy.Disabled() {
		s.grow.howTo = "LVM's settings say never to extend it by itself: lvextend -L+SIZE " + pool.Volume() + ", or dmthin pool extend --device DISK"
		return s, nil
	}
	s.grow = growth{grower: lvmGrower{pool}, threshold: policy.Threshold, howTo: "add a disk: dmthin pool extend --device DISK"}
	return s, nil
}

func (s *lvmStorage) openPool(ctx context.Context, _ bool) (*thinpool.Pool, error) {
	return thinpool.Adopt(ctx, s.backend.PoolName(), s.i.uuidPrefix(), s.i.log)
}

func (s *lvmStorage) metadataDevice() string { return s.backend.MetadataDevice() }

// place has no devices: Docker's driver left these lines blank for a pool that
// it was given.
func (s *lvmStorage) place() place { return place{kind: s.kind} }

func (s *lvmStorage) growth() growth { return s.grow }

func (s *lvmStorage) resize(context.Context, admin.ResizeRequest) error {
	return fmt.Errorf("%w: resize is for loop-lvm, and this pool lies on disks; %s", admin.ErrRefused, s.grow.howTo)
}

func (s *lvmStorage) Close() error { return s.backend.Close() }

// lvmGrower is the backend as the monitor wants it.
type lvmGrower struct{ *directlvm.Pool }

// Extend adds what LVM's policy says.
func (g lvmGrower) Extend(ctx context.Context) error {
	_, err := g.Pool.Extend(ctx)
	return err
}

// Reserve is what the volume group has free.
func (g lvmGrower) Reserve(ctx context.Context) (int64, error) { return g.Free(ctx) }
