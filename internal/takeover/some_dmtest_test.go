//go:build dmtest && !takeover

package takeover

// cutEvery is how many of the power cuts are left out: every one takes a mount
// and the operation again. make take-over leaves out none.
const cutEvery = 7

// realFilesystems are those of the pools that the kernel makes.
var realFilesystems = []string{"xfs"}
