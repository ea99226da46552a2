//go:build failpoint

package failpoint

import (
	"errors"
	"testing"
)

func TestAPointFailsAtItsHitAndOnce(t *testing.T) {
	points = mustParse("pool.Delete.after=error:2,wrong=plant")
	var failed []int
	for n := 1; n <= 4; n++ {
		if err := Hit("pool.Delete", "after"); errors.Is(err, ErrInjected) {
			failed = append(failed, n)
		}
	}
	if len(failed) != 1 || failed[0] != 2 {
		t.Errorf("failed at hits %v, want the second", failed)
	}
	if Hit("pool.Delete", "before") != nil || Hit("wrong", "") != nil {
		t.Error("another point failed")
	}
	if !Planted("wrong") || Planted("pool.Delete.after") {
		t.Error("a fault is planted where none was asked for, or the other way round")
	}
}

func TestUnknownActionsAreRefused(t *testing.T) {
	for _, text := range []string{"a", "a=", "a=explode", "a=kill:0", "a=kill:x"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
