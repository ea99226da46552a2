package main

import (
	"strings"
	"testing"
)

func resultsOf(figure string, own, builtin, overlayed []float64) *Results {
	r := &Results{Scale: fullScale}
	r.Series = []Series{
		{figRoundTrip, dmthinLoop, []float64{0.005}},
		{figure, dmthinLoop, own},
		{figure, builtinLoop, builtin},
		{figure, overlay, overlayed},
	}
	return r
}

func figureNamed(t *testing.T, name string) figure {
	t.Helper()
	for _, f := range figures {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("no figure %q", name)
	return figure{}
}

func TestRatiosArePairedByRound(t *testing.T) {
	// The machine is ten times slower in the last round; ratios don't change.
	r := resultsOf(figGetPut, []float64{0.020, 0.020, 0.200}, []float64{0.4, 0.4, 4}, nil)
	c, ok := compare(r, figureNamed(t, figGetPut), trios[0])
	if !ok || c.faster < 19.9 || c.faster > 20.1 {
		t.Errorf("faster = %v, %v; want 20", c.faster, ok)
	}
}

func TestOverlayIsComparedLessTheRoundTrips(t *testing.T) {
	r := resultsOf(figGetPut, []float64{0.030}, []float64{0.6}, []float64{0.010})
	c, _ := compare(r, figureNamed(t, figGetPut), trios[0])
	if c.of < 1.99 || c.of > 2.01 { // 30 ms less two round trips of 5 ms, to 10 ms
		t.Errorf("of overlay2's time = %v, want 2", c.of)
	}
	if c.verdict() != "met" {
		t.Errorf("verdict %q; 20 times faster than the one and within 2.5 of the other", c.verdict())
	}
}

func TestOneMissedGoalMissesTheFigure(t *testing.T) {
	for name, r := range map[string]*Results{
		"built-in": resultsOf(figGetPut, []float64{0.020}, []float64{0.1}, []float64{0.010}),
		"overlay2": resultsOf(figGetPut, []float64{0.090}, []float64{9}, []float64{0.010}),
	} {
		c, _ := compare(r, figureNamed(t, figGetPut), trios[0])
		if c.verdict() != "missed" {
			t.Errorf("%s: verdict %q, want missed", name, c.verdict())
		}
	}
}

func TestWhatWasNotMeasuredHasNoVerdict(t *testing.T) {
	r := resultsOf(figCreate, []float64{0.02}, nil, nil)
	c, ok := compare(r, figureNamed(t, figCreate), trios[0])
	if !ok || c.verdict() != "" {
		t.Errorf("verdict %q without anything to compare with", c.verdict())
	}
	huge := resultsOf(figHugeDiff, []float64{0.02}, nil, nil)
	if c, ok := compare(huge, figureNamed(t, figHugeDiff), trios[0]); !ok || c.verdict() != "" {
		t.Errorf("verdict %q without the figure that it relates to", c.verdict())
	}
	if _, ok := compare(r, figureNamed(t, figRemove), trios[0]); ok {
		t.Error("a figure without samples is shown")
	}
}

func TestEveryRecordedFigureIsInTheTable(t *testing.T) {
	r := resultsOf(figCreate, []float64{0.02}, []float64{0.1}, []float64{0.02})
	text := markdown(r)
	for _, want := range []string{"| " + figCreate + " | 20 ms | 15 ms | 100 ms | 5× (≥ 4) | 20 ms | 0.75× (≤ 1.05) | met |", "loop-lvm"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "direct-lvm") {
		t.Error("a table of what was not measured")
	}
}

func TestTheKernelsOwnTimeStandsBesideDmthins(t *testing.T) {
	r := resultsOf(figCreate, []float64{0.025}, nil, nil)
	r.add(figFloorCreate, dmthinLoop, 0.010)
	r.add(figFloorUnmount, dmthinLoop, 0.030)
	r.add(figFloorCompare, dmthinLoop, 0.200)
	r.add(figChanges, dmthinLoop, 0.405)
	r.add(figDiff, dmthinLoop, 0.505)
	for _, want := range []string{
		"| 200 ms | " + figChanges + ": 400 ms, 2×; " + figDiff + ": 500 ms, 2.5× |\n",
		"| 10 ms | Create a child layer: 20 ms, 2× |\n", "| unmount, deactivate | 30 ms |\n",
	} {
		if text := markdown(r); !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
