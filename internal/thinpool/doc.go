// Package thinpool speaks dm-thin: it opens a thin pool on a data and a
// metadata device, sends it messages, and activates its thin devices. It knows
// the target's rules, limits and status. It keeps no records of layers and no
// locks: which device ID is whose, and what may run at the same time, is the
// caller's business.
//
// Every call that changes a device of a given name first makes sure that the
// device's UUID carries the pool's prefix, and then addresses it by that UUID.
//
// Contexts are looked at before a call to the kernel and while waiting. The
// call itself can't be cancelled: a suspend waits for I/O in flight, a delete
// walks the device's mappings.
package thinpool
