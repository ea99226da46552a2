package monitor

import "testing"

func TestLevelsEndBelowWhereTheyBegin(t *testing.T) {
	level := LevelOK
	for _, step := range []struct {
		percent int64
		full    bool
		want    Level
	}{
		{0, false, LevelOK},
		{79, false, LevelOK},
		{80, false, LevelLow},
		{78, false, LevelLow},
		{76, false, LevelOK},
		{95, false, LevelCritical},
		{93, false, LevelCritical},
		{91, false, LevelLow},
		{100, true, LevelFull},
		{94, false, LevelCritical},
		{10, false, LevelOK},
		{10, true, LevelFull}, // the kernel knows better
		{10, false, LevelOK},
	} {
		level = nextLevel(Space{Used: step.percent, Total: 100}, level, step.full)
		if level != step.want {
			t.Errorf("at %d%%, full %v: %v, want %v", step.percent, step.full, level, step.want)
		}
	}
	if got := nextLevel(Space{}, LevelOK, false); got != LevelOK {
		t.Errorf("nothing known: %v", got)
	}
}

func TestHostLevelsFollowWhatIsFree(t *testing.T) {
	level := LevelOK
	for _, step := range []struct {
		free int64
		want Level
	}{
		{10 << 30, LevelOK}, {2<<30 - 1, LevelLow}, {2 << 30, LevelLow}, {3 << 30, LevelOK},
		{100 << 20, LevelCritical}, {1 << 20, LevelFull}, {17 << 20, LevelFull}, {1 << 30, LevelLow}, {10 << 30, LevelOK},
	} {
		if level = hostLevel(step.free, level); level != step.want {
			t.Errorf("%d bytes free: %v, want %v", step.free, level, step.want)
		}
	}
}

func TestPercentOfNothingIsNothing(t *testing.T) {
	for s, want := range map[Space]int{
		{}: 0, {Used: 1, Total: 3}: 33, {Used: 1 << 62, Total: 1 << 62}: 100, {Used: 5}: 0,
	} {
		if got := s.Percent(); got != want {
			t.Errorf("%+v: %d%%, want %d", s, got, want)
		}
	}
}

func TestLevelsHaveNames(t *testing.T) {
	for level, want := range map[Level]string{LevelOK: "ok", LevelLow: "low", LevelCritical: "critical", LevelFull: "full", 9: "level 9"} {
		if level.String() != want {
			t.Errorf("%d is %q", int(level), level)
		}
	}
}
