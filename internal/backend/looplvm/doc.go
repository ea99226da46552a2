// Package looplvm is the loop-lvm backend: two sparse files on loop devices
// that serve as a thin pool's data and metadata device.
//
// It owns the files: it makes them, grows them, attaches them, and refuses to
// touch any that are not a pool's. The pool itself is not its business; it
// looks into the metadata file only far enough to see whether the files are
// whole.
package looplvm
