package main

// The figures' names.
const (
	figRoundTrip       = "empty call"
	figRoundTrip16     = "empty call, at once"
	figCreate          = "Create a child layer"
	figGetPut          = "Get + Put"
	figGetPutAgain     = "Get + Put of the same layer again"
	figGetPut16        = "Get + Put, at once"
	figRemove          = "Remove"
	figReclaim         = "Remove, until the blocks are back"
	figApply           = "ApplyDiff"
	figChanges         = "Changes, 10 changed"
	figDiff            = "Diff, 10 changed"
	figChangesCold     = "Changes, 10 changed, nothing cached"
	figDiffCold        = "Diff, 10 changed, nothing cached"
	figHugeChanges     = "Changes, 10 changed of the huge image"
	figHugeDiff        = "Diff, 10 changed of the huge image"
	figDiff1000        = "Diff, 1,000 changed"
	figDiffAll         = "Diff of a whole layer"
	figFirstWrite      = "first write into a big file of the parent"
	figStart           = "start with many layers"
	figMemory          = "resident memory with many layers"
	figCreateFlat      = "Create, last layers to first"
	figGetFlat         = "Get + Put, last layers to first"
	figRemoveFlat      = "Remove, last layers to first"
	figAlone           = "Exists, Get and Put of a mounted layer"
	figLoad            = "docker load"
	figRun             = "docker run to exit"
	figCommit          = "docker commit, 10 changed"
	figRemoveContainer = "docker rm"
	figBuild           = "docker build"
	figFloorCreate     = floorPrefix + "create_snap, one record synced, set_transaction_id"
	figFloorStart      = floorPrefix + "attach two loop devices, make the pool active"
	figFloorMount      = floorPrefix + "activate, mount"
	figFloorMount16    = floorPrefix + "activate, mount, at once"
	figFloorUnmount    = floorPrefix + "unmount, deactivate"
	figFloorDelete     = floorPrefix + "delete"
	figFloorCompare    = floorPrefix + "suspend with 10 changed files, commit, resume; activate, mount the parent"
	figFloorDiff       = floorPrefix + "suspend with 1,000 changed files, commit, resume; activate, mount the parent; read the changed files"
	figFloorRead       = floorPrefix + "activate, mount, read each file of a layer, with a thread for each CPU"
	figFloorWriteExt4  = floorPrefix + "first write into a big file of the origin, ext4"
	figFloorWriteXFS   = floorPrefix + "first write into a big file of the origin, xfs"
)

// stallPrefix is for how much longer the slowest hundredth takes than alone.
const stallPrefix = "the same, longer while layers are "

// grown is what layers that get another size are.
const grown = "created and grown"

// floorPrefix marks what the kernel alone takes.
const floorPrefix = "floor: "

// floorStallPrefix is for what the machine alone takes.
const floorStallPrefix = floorPrefix + "Exists, Get and Put of another, idle dmthind, longer while layers are "

// figure says what a name's samples mean.
type figure struct {
	name string
	unit unit
	// calls is how many round trips over the socket the figure contains.
	calls int
	// atOnce: the round trips overlap.
	atOnce bool
	// faster is the goal against the built-in driver: so many times faster.
	faster float64
	// within is the goal against overlay2: at most so many times its time.
	within float64
	// below is a goal of dmthin's own.
	below float64
	// ofFigure is the figure that within relates to, where that is dmthin's own.
	ofFigure string
	// floor is the figure of what the kernel alone takes for it.
	floor string
}

type unit int

const (
	inSeconds unit = iota
	inBytes
	asRatio
)

func unitOf(name string) unit {
	for _, f := range figures {
		if f.name == name {
			return f.unit
		}
	}
	return inSeconds
}

// asFast leaves room for noise.
const asFast = 1.05

// figures in the order of the report.
var figures = []figure{
	{name: figRoundTrip, calls: 1},
	{name: figRoundTrip16, calls: 1},
	{name: figCreate, calls: 1, faster: 4, within: asFast, floor: figFloorCreate},
	{name: figGetPut, calls: 2, faster: 15, within: 2.5, floor: figFloorMount},
	{name: figGetPutAgain, calls: 2},
	{name: figGetPut16, calls: 2, atOnce: true, faster: 40, within: 2.5, floor: figFloorMount16},
	{name: figRemove, calls: 1, faster: 40, within: 2},
	{name: figReclaim, below: 5},
	{name: figApply, calls: 1, faster: 1.3, within: 1 / 1.2},
	{name: figChanges, calls: 1, faster: 60, within: 2, floor: figFloorCompare},
	{name: figDiff, calls: 1, faster: 60, within: 2, floor: figFloorCompare},
	{name: figChangesCold, calls: 1},
	{name: figDiffCold, calls: 1},
	{name: figHugeChanges, calls: 1, within: 2, ofFigure: figChanges},
	{name: figHugeDiff, calls: 1, within: 2, ofFigure: figDiff},
	{name: figDiff1000, calls: 1, faster: 6, within: asFast, floor: figFloorDiff},
	{name: figDiffAll, calls: 1, faster: 2, within: 1 / 1.5, floor: figFloorRead},
	{name: figFirstWrite, faster: 1 / asFast, within: 1.0 / 100, floor: figFloorWriteExt4},
	{name: figStart, faster: 10, floor: figFloorStart},
	{name: figMemory, unit: inBytes, below: 64 << 20},
	{name: figCreateFlat, unit: asRatio, below: 1.2},
	{name: figGetFlat, unit: asRatio, below: 1.2},
	{name: figRemoveFlat, unit: asRatio, below: 1.2},
	{name: figAlone, calls: 3},
	stall("created"),
	stall(grown),
	stall("compared"),
	stall("removed"),
	{name: figLoad},
	{name: figRun, faster: 1.5, within: 1.1},
	{name: figCommit},
	{name: figRemoveContainer},
	{name: figBuild, faster: 5, within: 1.2},
	{name: figFloorCreate},
	{name: figFloorMount},
	{name: figFloorMount16},
	{name: figFloorUnmount},
	{name: figFloorDelete},
	{name: figFloorCompare},
	{name: figFloorDiff},
	{name: figFloorRead},
	{name: figFloorWriteExt4},
	{name: figFloorWriteXFS},
	{name: figFloorStart},
	{name: floorStallPrefix + "created"},
	{name: floorStallPrefix + grown},
	{name: floorStallPrefix + "compared"},
	{name: floorStallPrefix + "removed"},
}

func stall(done string) figure {
	return figure{name: stallPrefix + done, below: 5e-3, floor: floorStallPrefix + done}
}
