// Package directlvm is the direct-lvm backend: a thin pool of LVM's on real
// disks, set up here (automatic direct-lvm, and the operator's pool commands)
// or by the operator (manual direct-lvm, which takes a pool of dmsetup's too).
//
// It makes volumes, activates them, refuses what is not for us to use, and
// grows the pool as LVM's policy says. What goes into the pool is not its
// business: thin devices, transactions and records are others'.
package directlvm
