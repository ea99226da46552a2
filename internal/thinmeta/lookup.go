package thinmeta

import "context"

// Lookup returns where one block of device id is; ok is false for a block that
// is not mapped. It reads a few blocks, however much the device maps.
func (r *Reader) Lookup(ctx context.Context, id uint32, virtual uint64) (m Mapping, ok bool, err error) {
	t, err := r.mappingTree(ctx, id)
	var value []byte
	if err == nil {
		value, err = t.lookup(ctx, virtual)
	}
	if value != nil {
		v := number(value)
		m, ok = Mapping{Virtual: virtual, Data: v >> timeBits, Time: uint32(v & timeMask)}, true
	}
	if err = r.finish(ctx, err); err != nil {
		return Mapping{}, false, err
	}
	return m, ok, nil
}
