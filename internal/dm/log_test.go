package dm

import (
	"testing"

	"github.com/sirupsen/logrus"
)

func TestLibraryLevelsMapToOurs(t *testing.T) {
	for level, want := range map[int]logrus.Level{
		2: logrus.ErrorLevel, 3: logrus.ErrorLevel, 4: logrus.WarnLevel,
		5: logrus.InfoLevel, 6: logrus.InfoLevel, 7: logrus.DebugLevel,
	} {
		if got := logLevel(level); got != want {
			t.Errorf("level %d: got %v, want %v", level, got, want)
		}
	}
}

func TestLogLevelOutOfRangeIsRefused(t *testing.T) {
	for _, level := range []int{-1, 0, 1, 8} {
		if SetLog(nil, level) == nil {
			t.Errorf("level %d is accepted", level)
		}
	}
}
