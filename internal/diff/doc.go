// Package diff compares two layers and carries layers as tar streams: which
// paths changed, the tar of a difference or of a whole layer, unpacking such a
// tar, and the sizes Docker reports.
//
// It works on mounted folders and knows nothing of device-mapper, of layer
// records or of who mounted what. It says what Docker's own comparison of two
// folders would say, new hard links aside; faster ways to find changes are judged
// against it.
//
// Folders are read and written through descriptors. A name from a tar or from a
// running container never leads out of the layer it belongs to, however its
// links point, and paths may be longer than PATH_MAX.
package diff
