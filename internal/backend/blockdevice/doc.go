// Package blockdevice is the deprecated backend of dm.datadev and
// dm.metadatadev: block devices of the operator's under a thin pool of ours. Of
// the two, one may be left out; a sparse file on a loop device then takes its
// place, as in loop-lvm.
//
// It decides whether the devices may be used, and wipes nothing. The pool
// itself is not its business.
package blockdevice
