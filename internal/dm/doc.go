// Package dm makes device-mapper calls through libdevmapper. It is the one
// package with cgo and the one that imports docker's pkg/devicemapper. It
// knows tables, messages, cookies and errno; it knows nothing of thin pools'
// rules, layers or filesystems.
package dm
