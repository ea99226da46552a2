// Package monitor watches a thin pool: it looks when the kernel raises an event
// and every few seconds besides, has the pool extended before it is full, takes
// up space that others have added, and decides whether writers wait or fail
// when there is none. It says what it finds in the log and in State.
//
// How a pool is extended is the business of who made it; refusing new layers
// while space is short is the layer store's.
package monitor
