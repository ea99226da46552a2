// Package thinmeta reads the metadata of a thin pool from its metadata device:
// which thin devices exist, what each maps, and how the mappings of two of
// them differ. It never writes, sends no message to the pool and decides
// nothing; that is for its callers.
//
// The format is dm-thin's (drivers/md/dm-thin-metadata.c): a superblock in
// block 0 points to copy-on-write B-trees of 4096-byte blocks. Every block
// carries its own number and a checksum, and both are verified on each read.
// A device's content is not trusted beyond that: whatever the bytes say, a
// walk reads no block more than once per tree and ends.
package thinmeta
