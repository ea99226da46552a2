// Package layer is the domain: layers, their parents, and who has them
// mounted. Each layer is a thin device with a filesystem; a child starts as a
// snapshot of its parent. The package owns the write protocol that keeps the
// pool and the records on disk telling the same story (change.go), and the
// recovery after a crash (recover.go).
//
// It speaks no protocol (package plugin does), runs no program (package
// filesystem does) and makes no kernel call itself; what it needs of the rest
// is declared in needs.go.
//
// # Locks, outer to inner
//
//	metadata turn  one reader of the pool's metadata at a time; see Metadata
//	layer lock     one a layer ID, cancellable; several are taken in sorted order
//	change lock    one a pool; steps 1 to 5 of the write protocol only
//	Store.mu       the maps; never held across a call that can wait
//
// No lock is held while a tar streams. What streams holds a pin on the layers
// it reads, so that they stay mounted. Layers that nobody uses any more stay
// mounted for a moment, and active for another (idle.go); only the time of their
// unmount is decided without a call.
package layer
