// Package thindata reads what thin devices hold by way of the pool's data
// device, whether they are active or not. Where a block lies package thinmeta
// says. It never writes; when a read shows a state that belongs together is for
// its callers to see to.
package thindata
