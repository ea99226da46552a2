package main

import (
	"encoding/json"
	"os"
	"slices"
)

const resultsFile = "results.json"

// Results is what a run measured, as kept in that file.
type Results struct {
	Where  Where    `json:"where"`
	Scale  Scale    `json:"scale"`
	Series []Series `json:"series"`
	// Failures are what could not be measured, and why.
	Failures []string `json:"failures,omitempty"`

	path string // where they are written
}

// Where tells the machine, since times mean nothing without it.
type Where struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory string `json:"memory"`
	Commit string `json:"commit"`
	Date   string `json:"date"`
}

// Series is one figure of one subject: a sample a round, in seconds, bytes or
// whatever the figure counts. Samples of one round were taken after each other,
// so that ratios are taken round by round.
type Series struct {
	Figure  string    `json:"figure"`
	Subject string    `json:"subject"`
	Samples []float64 `json:"samples"`
}

// add notes a sample.
func (r *Results) add(figure, subject string, sample float64) {
	for i := range r.Series {
		if s := &r.Series[i]; s.Figure == figure && s.Subject == subject {
			s.Samples = append(s.Samples, sample)
			return
		}
	}
	r.Series = append(r.Series, Series{figure, subject, []float64{sample}})
}

// samples of one figure and subject; none where it was not measured.
func (r *Results) samples(figure, subject string) []float64 {
	for _, s := range r.Series {
		if s.Figure == figure && s.Subject == subject {
			return s.Samples
		}
	}
	return nil
}

func (r *Results) write() error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(r.path, append(data, '\n'), 0o644)
}

func readResults(path string) (*Results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	return r, json.Unmarshal(data, r)
}

// median of an even number of samples is the lower of the middle two, a value
// that was measured.
func median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)-1)/2]
}

// quantile is the smallest sample that at least q of all don't exceed.
func quantile(samples []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
