package main

import "testing"

func TestAShareIsAPercentage(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "0%": 0, "5%": .05, "100%": 1, "0.5": .005} {
		if got, err := parseShare(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "-1%", "101%", "NaN", "5%%", "5 %", "half"} {
		if got, err := parseShare(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}
