package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
)

// settings are the flags of bench run.
type settings struct {
	program, oldDocker string
	dir, disk, out     string
	commit             string
	only               *regexp.Regexp
	scale              Scale
}

func parseSettings(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench run", flag.ExitOnError)
	flags.StringVar(&s.program, "dmthind", "build/dmthind", "the daemon to measure")
	flags.StringVar(&s.oldDocker, "old-docker", "build/docker-20.10", "folder with the programs of a Docker that has devicemapper")
	flags.StringVar(&s.dir, "dir", "/var/lib/dmthin-test/bench", "folder for the drivers' data, on a real disk")
	flags.StringVar(&s.disk, "disk", "/dev/vdc", "blank disk for direct-lvm; its content is lost")
	flags.StringVar(&s.out, "out", ".", "folder for results.json")
	flags.StringVar(&s.commit, "commit", "", "what is measured, for the report")
	scale := flags.String("scale", "full", "how much is done: full, quick, or tiny, whose figures mean nothing")
	only := flags.String("only", "", "run only the workloads whose name matches this pattern")
	imageTree := flags.Int("image-tree", -1, "files of the image in dockerd, if not the usual number")
	steps := flags.Int("steps", -1, "steps of docker build, if not the usual number")
	rounds := flags.Int("rounds", -1, "rounds, slow ones too, if not the usual number")
	limit := flags.Duration("limit", 0, "how long further rounds begin, if not the usual time")
	_ = flags.Parse(args) // ExitOnError

	s.scale = scales[*scale]
	if s.scale.Rounds == 0 {
		return s, fmt.Errorf("-scale %s: full, quick or tiny", *scale)
	}
	override(&s.scale.ImageTree, *imageTree)
	override(&s.scale.Steps, *steps)
	override(&s.scale.Rounds, *rounds)
	override(&s.scale.SlowRounds, *rounds)
	if *limit > 0 {
		s.scale.Limit = *limit
	}
	for _, path := range []*string{&s.program, &s.oldDocker} { // daemons run elsewhere
		if *path, err = filepath.Abs(*path); err != nil {
			return s, err
		}
	}
	s.only, err = regexp.Compile(*only)
	return s, err
}

func override(number *int, given int) {
	if given >= 0 {
		*number = given
	}
}
