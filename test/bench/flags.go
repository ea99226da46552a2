package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
)

// settings are the flags of bench run.
type settings struct {
	program        string
	dir, disk, out string
	commit         string
	only           *regexp.Regexp
	scale          Scale
}

func parseSettings(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench run", flag.ExitOnError)
	flags.StringVar(&s.program, "dmthind", "build/dmthind", "the daemon to measure")
	flags.StringVar(&s.dir, "dir", "/var/lib/dmthin-test/bench", "folder for the drivers' data, on a real disk")
	flags.StringVar(&s.disk, "disk", "/dev/vdc", "blank disk for direct-lvm; its content is lost")
	flags.StringVar(&s.out, "out", ".", "folder for results.json")
	flags.StringVar(&s.commit, "commit", "", "what is measured, for the report")
	scale := flags.String("scale", "full", "how much is done: full, quick, or tiny, whose figures mean nothing")
	only := flags.String("only", "", "run only the workloads whose name matches this pattern")
	rounds := flags.Int("rounds", -1, "rounds, slow ones too, if not the usual number")
	_ = flags.Parse(args) // ExitOnError

	s.scale = scales[*scale]
	if s.scale.Rounds == 0 {
		return s, fmt.Errorf("-scale %s: full, quick or tiny", *scale)
	}
	override(&s.scale.Rounds, *rounds)
	override(&s.scale.SlowRounds, *rounds)
	if s.program, err = filepath.Abs(s.program); err != nil { // daemons run elsewhere
		return s, err
	}
	s.only, err = regexp.Compile(*only)
	return s, err
}

func override(number *int, given int) {
	if given >= 0 {
		*number = given
	}
}
