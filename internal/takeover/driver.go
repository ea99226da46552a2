package takeover

import "path/filepath"

// Driver is a storage driver as dockerd knows it. Its name names its folders
// too.
type Driver string

// The two sides of a take-over.
const (
	BuiltIn Driver = "devicemapper" // of Docker up to 24
	DMThin  Driver = "dmthin"
)

// state is the folder of records and loop files.
func (d Driver) state(root string) string { return filepath.Join(root, string(d)) }

// images is the folder of Docker's image and layer stores.
func (d Driver) images(root string) string { return filepath.Join(root, "image", string(d)) }

func (d Driver) other() Driver {
	if d == BuiltIn {
		return DMThin
	}
	return BuiltIn
}
