package dm

import "testing"

func TestDriverVersionsCompareAsNumbers(t *testing.T) {
	for version, want := range map[string]bool{
		"4.48.0": true, "4.27.0": true, "4.26.9": false, "4.9.0": false, "5.0.0": true, "3.99.0": false,
	} {
		got, err := atLeast(version, [2]int{4, 27})
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", version, got, err)
		}
	}
	if _, err := atLeast("four", [2]int{4, 27}); err == nil {
		t.Error("nonsense is accepted")
	}
}
