// Package filesystem makes, checks, mounts, unmounts and resizes ext4 and xfs
// filesystems on block devices.
//
// All mount(2) calls of the module are here, and the filesystems' own programs
// are run from here. What is stored in a filesystem, and when it is mounted, is
// not decided here.
//
// Mounting, unmounting, probing and growing run no program: they are on the
// path of every container start.
package filesystem
