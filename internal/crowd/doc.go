// Package crowd bounds the connections of a server. Above the bound the one that
// has kept the server waiting for longest is closed, so that whoever opens
// connections and leaves them, or sends byte by byte, shuts nobody out: a good
// client's connection waits only for a moment.
//
// A bound that refused newcomers would be what the mad client wants, and none
// would let it use up the process's file descriptors, which layers need too.
package crowd
