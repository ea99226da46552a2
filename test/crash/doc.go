// Package crash proves what is left after a power cut or the death of the
// daemon, and finds nothing lost that was acknowledged.
//
// The power cuts are replayed. The kernel's log-writes target records each
// write, flush and discard of one disk, which holds the state's filesystem and
// the pool's two devices, in the order in which they became durable; the
// workload puts marks between them. From this log the disk is rebuilt as each
// cut would have left it (test/writelog), the daemon recovers on it, and
// what it then shows is compared with what had been acknowledged (history.go).
//
// Here belongs what needs a crash or a failing disk. Files without a build tag
// are pure and have tests that run anywhere; the others need a kernel with
// device-mapper.
package crash
