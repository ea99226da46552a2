// Package lvmpool plans thin pools of LVM's on disks: it looks whether a disk
// may be used, divides the space, and lists the commands that make a pool or
// extend it, for the operator to see before they run. It needs no
// device-mapper library, so that the operator's tool can have it.
//
// The daemon's use of such a pool is backend/directlvm's business.
package lvmpool
