// Package dm makes device-mapper calls through libdevmapper: devices, tables,
// messages, udev, and the errno of what failed. It is the one package with cgo
// and the one that imports docker's pkg/devicemapper. It knows nothing of thin
// pools' rules, layers or filesystems.
//
// All functions may be called from many goroutines at once. Calls for one
// device at a time are the caller's to order. A call in the kernel can't be
// cancelled; contexts end only the wait for udevd.
package dm
