package main

import "slices"

// workloads by phases. Each phase changes what the next finds.
func workloads(scale Scale) [][]workload {
	loops := []string{dmthinLoop, builtinLoop, overlay}
	pools := []string{dmthinLoop, builtinLoop}
	own := []string{dmthinLoop}
	shared := []workload{ // the cheap ones first
		{name: "calls", rounds: scale.Rounds, run: emptyCalls},
		{name: "layers", rounds: scale.Rounds, run: shortLives},
		{name: "diff", rounds: scale.Rounds, run: diffFew},
		{name: "floor", rounds: scale.Rounds, run: floor(floorLives), only: own},
		{name: "write", rounds: scale.SlowRounds, run: firstWrite},
		{name: "floor-write", rounds: scale.SlowRounds, run: floor(floorWrite), only: own},
		{name: "apply", rounds: scale.SlowRounds, run: applyLayer},
		{name: "diff-1000", rounds: scale.SlowRounds, run: diffThousand},
		{name: "floor-diff", rounds: scale.SlowRounds, run: floor(floorDiff), only: own},
		{name: "diff-all", rounds: scale.SlowRounds, run: diffWhole},
		{name: "floor-read", rounds: scale.SlowRounds, run: floor(floorRead), only: own},
		{name: "stall", rounds: scale.SlowRounds, run: stalls, only: loops},
	}
	if scale.Quick {
		shared = slices.DeleteFunc(shared, func(w workload) bool { return w.name == "stall" })
		return [][]workload{shared}
	}
	huge := workload{name: "huge", rounds: scale.SlowRounds, run: diffHuge, only: own}
	many := workload{name: "many", rounds: 1, run: manyLayers, only: pools} // and leaves them
	manyFloor := workload{name: "many-floor", rounds: scale.SlowRounds, run: floor(floorStart), only: own}
	return [][]workload{shared, {huge}, {many, manyFloor}}
}
