//go:build dmtest && takeover

package takeover

const cutEvery = 1

var realFilesystems = []string{"ext4", "xfs"}
