// Package blockdiff finds what changed between two layers in a time that
// follows the number of changes, not the size of the layers.
//
// The pool's metadata tell which blocks of two thin devices differ, package
// inodescan which inodes lie in them and differ, and package diff compares those
// through the kernel, in the mounted layers. Where a precondition is in doubt
// the answer comes from the plain walk over both layers, which is always right;
// both answer the same. How often that happens, and why, is counted.
//
// It makes no device-mapper call and mounts nothing: the pool's metadata come in
// through an interface, layers are mounted when it is asked.
package blockdiff
