package lvm

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Number is a number of a report; LVM prints nothing where there is none.
type Number int64

// UnmarshalText reads a decimal number, or nothing.
func (n *Number) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = 0
		return nil
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	*n = Number(v)
	return err
}

// Percent is a percentage of a report, and -1 where LVM can't tell it.
type Percent float64

// UnmarshalText reads a decimal fraction, or nothing.
func (p *Percent) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = -1
		return nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return err
	}
	// No comparison with NaN says anything: unknown is what it means.
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = -1
	}
	*p = Percent(v)
	return nil
}

// List is a list of a report: tags, for instance.
type List []string

// UnmarshalText reads words with commas between them.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	if len(text) > 0 {
		*l = strings.Split(string(text), ",")
	}
	return nil
}

// Flag is a state of a report that is on where LVM prints its name.
type Flag bool

// UnmarshalText takes anything but "", 0 and -1 for on.
func (f *Flag) UnmarshalText(text []byte) error {
	s := string(text)
	*f = s != "" && s != "0" && s != "-1" && s != "unknown"
	return nil
}

// report runs a reporting command and returns its rows. The fields it asks for
// are the ones that T has.
func report[T any](ctx context.Context, l *LVM, program string, args ...string) ([]T, error) {
	c := command("report", program, append([]string{
		"--reportformat", "json", "--units", "b", "--nosuffix", "-o", strings.Join(fieldNames[T](), ","),
	}, args...)...)
	out, err := l.output(ctx, c)
	if err != nil {
		return nil, err
	}
	rows, err := parseReport[T](out)
	if err != nil {
		return nil, &Error{Command: c, Err: err}
	}
	return rows, nil
}

func parseReport[T any](out []byte) ([]T, error) {
	var parsed struct {
		Report []map[string][]T `json:"report"`
	}
	if err := json.Unmarshal(out, &parsed); err != nil {
		return nil, fmt.Errorf("its report can't be read: %w", err)
	}
	var rows []T
	for _, part := range parsed.Report {
		for _, r := range part {
			rows = append(rows, r...)
		}
	}
	return rows, nil
}
