package main

// The figures' names.
const (
	figRoundTrip   = "empty call"
	figRoundTrip16 = "empty call, at once"
	figCreate      = "Create a child layer"
	figGetPut      = "Get + Put"
	figGetPutAgain = "Get + Put of the same layer again"
	figGetPut16    = "Get + Put, at once"
	figRemove      = "Remove"
	figReclaim     = "Remove, until the blocks are back"
	figChanges     = "Changes, 10 changed"
	figDiff        = "Diff, 10 changed"
	figChangesCold = "Changes, 10 changed, nothing cached"
	figDiffCold    = "Diff, 10 changed, nothing cached"
	figDiff1000    = "Diff, 1,000 changed"
)

// figure says what a name's samples mean.
type figure struct {
	name string
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
}

// asFast leaves room for noise.
const asFast = 1.05

// figures in the order of the report.
var figures = []figure{
	{name: figRoundTrip, calls: 1},
	{name: figRoundTrip16, calls: 1},
	{name: figCreate, calls: 1, faster: 4, within: asFast},
	{name: figGetPut, calls: 2, faster: 15, within: 2.5},
	{name: figGetPutAgain, calls: 2},
	{name: figGetPut16, calls: 2, atOnce: true, faster: 40, within: 2.5},
	{name: figRemove, calls: 1, faster: 40, within: 2},
	{name: figReclaim, below: 5},
	{name: figChanges, calls: 1, faster: 60, within: 2},
	{name: figDiff, calls: 1, faster: 60, within: 2},
	{name: figChangesCold, calls: 1},
	{name: figDiffCold, calls: 1},
	{name: figDiff1000, calls: 1, faster: 6, within: asFast},
}
