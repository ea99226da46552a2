// Package offline works on a pool while no daemon runs on it: it checks the
// pool, repairs its metadata, and brings back records. It holds the state
// directory's lock meanwhile, so no daemon starts, and refuses pools that are
// active in the kernel.
//
// It makes no device-mapper call, so that the operator's tool stays a plain
// program: what is active it reads from /sys. A pool of LVM's is LVM's to
// activate and repair; for those it says which commands do.
package offline
