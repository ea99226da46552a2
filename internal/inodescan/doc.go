// Package inodescan finds the inodes that differ between two filesystems of one
// origin, an ext4 or xfs layer and its parent, from the places at which their
// devices differ. It reads inodes as they lie on disk and nothing else of the
// content: no extents, no folders, no journal.
//
// It relies on this: whatever stat(2) or listxattr(2) tell of a file, and which
// names a folder holds, doesn't change without the file's or the folder's inode
// changing with it. So every inode with a visible difference is among those
// that differ on disk. The reverse doesn't hold, and callers ask the kernel
// about each.
//
// It works on any io.ReaderAt and knows nothing of thin pools or of mounts.
// Where it can't vouch for the answer, because of a feature it doesn't know or
// a journal not yet written home, it says so by an error.
package inodescan
