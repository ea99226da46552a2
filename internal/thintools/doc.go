// Package thintools runs the programs of thin-provisioning-tools on a pool's
// metadata: thin_check and thin_repair. They are what the kernel's developers
// keep for it, and know more than any reader of ours.
//
// It decides nothing and knows no daemon: whoever calls sees to it that the
// pool is inactive, or that its metadata snapshot is held. Package thinmeta
// reads the same metadata without a program.
package thintools
