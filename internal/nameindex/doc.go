// Package nameindex remembers under which names a layer's tar put its inodes,
// so that whoever knows that an inode differs need not list every folder to
// learn what it is called.
//
// An index is a file beside the layer's folder, on the layer's own filesystem:
// snapshots inherit it, and it goes with the layer. What it says is a hint. Later
// changes to the layer are not in it, and callers ask the kernel about each name.
// Without an index, or with a damaged one, they only know less.
package nameindex
