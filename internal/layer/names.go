package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/dmthin/dmthin/internal/state"
)

// Prefix starts every device-mapper name of a pool and its devices.
func Prefix(id state.Identity) string { return "dmthin-" + id.PoolID }

// PoolName is the pool's device-mapper name.
func PoolName(id state.Identity) string { return Prefix(id) + "-pool" }

// PoolUUID is the pool's device-mapper UUID. Those of its thin devices differ
// from it in the last part only.
func PoolUUID(id state.Identity) string { return "DMTHIN-" + id.PoolID + "-pool" }

// names makes the device-mapper names of layers.
type names struct{ prefix string }

// plainLength keeps a name below device-mapper's limit of 127 bytes.
const plainLength = 101

// plain tells IDs that device-mapper takes as they are; libdevmapper escapes
// everything else.
func plain(id string) bool {
	return id != "" && len(id) <= plainLength && !strings.Contains("_.-", id[:1]) &&
		!strings.ContainsFunc(id, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("_.-", r)
		})
}

// reserved tells IDs that could be mistaken for a name of ours.
func reserved(id string) bool {
	return id == "pool" || id == "base" || strings.HasPrefix(id, "deleted-") || strings.HasPrefix(id, "x-")
}

// device returns the name of a layer's device. IDs that don't fit a device
// name are hashed.
func (n names) device(id string) string {
	switch {
	case id == "":
		return n.prefix + "-base"
	case plain(id) && !reserved(id):
		return n.prefix + "-" + id
	}
	sum := sha256.Sum256([]byte(id))
	return n.prefix + "-x-" + hex.EncodeToString(sum[:16])
}

// deleted is the name a device takes once its layer is removed, so that the
// layer's own name is free at once.
func (n names) deleted(deviceID uint32) string {
	return fmt.Sprintf("%s-deleted-%d", n.prefix, deviceID)
}

// uuid names a thin device by what it is, its device ID, and for people by its
// layer. It stays the same when the device is renamed.
func (n names) uuid(deviceID uint32, layer string) string {
	if !plain(layer) {
		sum := sha256.Sum256([]byte(layer))
		layer = hex.EncodeToString(sum[:16])
	}
	return "DMTHIN-" + n.prefix[len("dmthin-"):] + "-" + strconv.FormatUint(uint64(deviceID), 10) + "-" + layer
}
