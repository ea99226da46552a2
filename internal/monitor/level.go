package monitor

import "fmt"

// Level says how short of space a pool is.
type Level int

// The levels, from good to bad.
const (
	LevelOK Level = iota
	LevelLow
	LevelCritical
	LevelFull
)

func (l Level) String() string {
	names := [...]string{"ok", "low", "critical", "full"}
	if l < 0 || int(l) >= len(names) {
		return fmt.Sprintf("level %d", int(l))
	}
	return names[l]
}

// Where the levels begin, in percent used.
const (
	LowPercent      = 80
	CriticalPercent = 95

	// hysteresis is how many points below its beginning a level ends, so that
	// a pool on the edge doesn't fill the log.
	hysteresis = 3
)

// Space is the use of data or metadata, in bytes.
type Space struct {
	Used, Total int64
	Level       Level
}

// Percent is how much is used, rounded down; 0 where nothing is known.
func (s Space) Percent() int {
	if s.Total <= 0 {
		return 0
	}
	return int(float64(s.Used) * 100 / float64(s.Total))
}

// nextLevel is the level of a space that had level before. full overrules what
// the percentage says.
func nextLevel(s Space, before Level, full bool) Level {
	begins := []int{LevelLow: LowPercent, LevelCritical: CriticalPercent}
	level := LevelOK
	for l := LevelLow; l <= LevelCritical; l++ {
		from := begins[l]
		if before >= l {
			from -= hysteresis
		}
		if s.Percent() >= from {
			level = l
		}
	}
	if full {
		level = LevelFull
	}
	return level
}
