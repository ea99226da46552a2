package main

// Scale says how much is done.
type Scale struct {
	Quick      bool `json:"quick"`       // leaves out what is not compared with a goal
	Rounds     int  `json:"rounds"`      // of the cheap workloads
	SlowRounds int  `json:"slow_rounds"` // of those that take minutes
	Layers     int  `json:"layers"`      // of each kind per round
	AtOnce     int  `json:"at_once"`
	Calls      int  `json:"calls"` // empty ones
	Tree       int  `json:"tree"`  // files of the image that is changed
	Pools      bool `json:"pools"` // direct-lvm too
}

var (
	quickScale = Scale{
		Quick: true, Rounds: 2, SlowRounds: 1, Layers: 5, AtOnce: 16, Calls: 64,
		Tree: 5000,
	}
	// tinyScale does everything once, to see that it works.
	tinyScale = Scale{
		Rounds: 1, SlowRounds: 1, Layers: 2, AtOnce: 4, Calls: 16,
		Tree: 1000, Pools: true,
	}
	fullScale = Scale{
		Rounds: 5, SlowRounds: 3, Layers: 16, AtOnce: 16, Calls: 400,
		Tree: 5000, Pools: true,
	}
)

var scales = map[string]Scale{"tiny": tinyScale, "quick": quickScale, "full": fullScale}
