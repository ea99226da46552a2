package main

// workloads in the order they run: the cheap ones first.
func workloads(scale Scale) []workload {
	return []workload{
		{name: "calls", rounds: scale.Rounds, run: emptyCalls},
		{name: "layers", rounds: scale.Rounds, run: shortLives},
		{name: "diff", rounds: scale.Rounds, run: diffFew},
		{name: "diff-1000", rounds: scale.SlowRounds, run: diffThousand},
	}
}
