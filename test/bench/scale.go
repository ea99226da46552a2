package main

import "time"

// Scale says how much is done.
type Scale struct {
	Quick      bool          `json:"quick"`       // leaves out what has no goal or takes minutes
	Limit      time.Duration `json:"limit"`       // after it no further round begins
	Rounds     int           `json:"rounds"`      // of the cheap workloads
	SlowRounds int           `json:"slow_rounds"` // of those that take minutes
	Layers     int           `json:"layers"`      // of each kind per round
	AtOnce     int           `json:"at_once"`
	Calls      int           `json:"calls"` // empty ones
	Tree       int           `json:"tree"`  // files of the image that is changed
	Apply      int           `json:"apply"` // files of the layer that is applied
	Huge       int           `json:"huge"`  // files of the huge image; 0 leaves it out
	Big        int64         `json:"big"`   // bytes of the big file
	Many       int           `json:"many"`  // layers
	Probe      int           `json:"probe"` // layers of which the first and the last are timed
	Pools      bool          `json:"pools"` // direct-lvm too

	// With real dockerds:
	ImageTree int `json:"image_tree"` // files of the image; 0 leaves all of it out
	Runs      int `json:"runs"`       // of docker run per round
	Steps     int `json:"steps"`      // of docker build
}

var (
	quickScale = Scale{
		Quick: true, Limit: 2 * time.Minute, Rounds: 3, SlowRounds: 1, Layers: 5, AtOnce: 16, Calls: 64,
		Tree: 5000, Apply: 2000, Big: 64 << 20,
	}
	// tinyScale does everything once, to see that it works.
	tinyScale = Scale{
		Limit: time.Minute, Rounds: 1, SlowRounds: 1, Layers: 2, AtOnce: 4, Calls: 16,
		Tree: 1000, Apply: 200, Huge: 1500, Big: 8 << 20, Many: 20, Probe: 6, Pools: true,
		ImageTree: 200, Runs: 1, Steps: 2,
	}
	fullScale = Scale{
		Limit: 40 * time.Minute, Rounds: 5, SlowRounds: 3, Layers: 16, AtOnce: 16, Calls: 400,
		Tree: 5000, Apply: 20000, Huge: 200000, Big: 1 << 30, Many: 5000, Probe: 100, Pools: true,
		ImageTree: 60000, Runs: 5, Steps: 20,
	}
)

var scales = map[string]Scale{"tiny": tinyScale, "quick": quickScale, "full": fullScale}
