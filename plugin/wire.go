package plugin

// The bodies that dockerd sends and expects. Two pages of Docker's published
// description differ from its code, and the code counts: the maps' keys are
// container_id, host_id and size, and ReproducesExactDiffs sits under a
// Capabilities key.

// initBody is the body of Init. Opts and the maps are null when empty.
type initBody struct {
	Home    string
	Opts    []string
	UIDMaps []IDMap
	GIDMaps []IDMap
}

// layerBody is the body of every call about one layer. dockerd leaves out the
// keys that are empty.
type layerBody struct {
	ID         string
	Parent     string
	MountLabel string
	StorageOpt map[string]string
}

func (b layerBody) createRequest(readWrite bool) CreateRequest {
	return CreateRequest{
		ID:         b.ID,
		Parent:     b.Parent,
		MountLabel: b.MountLabel,
		StorageOpt: b.StorageOpt,
		ReadWrite:  readWrite,
	}
}

type emptyReply struct{}

type errorReply struct {
	Err string
}

type activateReply struct {
	Implements []string
}

type capabilitiesReply struct {
	Capabilities capabilities
}

// capabilities must keep ReproducesExactDiffs false while Diff compares
// directories: it makes dockerd keep each layer's tar headers, so that a layer
// is saved or pushed with the digest it was pulled with.
type capabilities struct {
	ReproducesExactDiffs bool
}

type dirReply struct {
	Dir string
}

type existsReply struct {
	Exists bool
}

type statusReply struct {
	Status [][2]string
}

type metadataReply struct {
	Metadata map[string]string
}

type changesReply struct {
	Changes []Change
}

type sizeReply struct {
	Size int64
}
