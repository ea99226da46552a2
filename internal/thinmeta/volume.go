package thinmeta

import "context"

// Volume looks up single blocks of one thin device.
type Volume struct{ tree tree }

// Volume opens device id for look-ups. It shares the reader's buffer, so the
// rule of one goroutine is for both together.
func (r *Reader) Volume(ctx context.Context, id uint32) (*Volume, error) {
	t, err := r.mappingTree(ctx, id)
	if err = r.finish(ctx, err); err != nil {
		return nil, err
	}
	return &Volume{t}, nil
}

// Block returns the data block that holds a virtual block, or Unmapped.
func (v *Volume) Block(ctx context.Context, virtual uint64) (data uint64, err error) {
	value, err := v.tree.lookup(ctx, virtual)
	if r := v.tree.reader; err != nil || r.unproven {
		if err = r.finish(ctx, err); err != nil {
			return 0, err
		}
	}
	if value == nil {
		return Unmapped, nil
	}
	return number(value) >> timeBits, nil
}
