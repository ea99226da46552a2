package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

// output remembers that a write failed: cobra doesn't ask when it writes help.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

type outputFormat string

const (
	formatTable outputFormat = "table"
	formatJSON  outputFormat = "json"
)

// String, Set and Type make outputFormat a flag that refuses other values.
func (f *outputFormat) String() string { return string(*f) }

func (f *outputFormat) Set(value string) error {
	switch v := outputFormat(value); v {
	case formatTable, formatJSON:
		*f = v
		return nil
	}
	return fmt.Errorf("%q is neither table nor json", value)
}

func (f *outputFormat) Type() string { return "FORMAT" }

// asksForJSON looks for the flag without parsing the rest.
func asksForJSON(args []string) bool {
	i := slices.Index(args, "--format")
	return slices.Contains(args, "--format=json") || i >= 0 && slices.Index(args[i:], "json") == 1
}

func completeFormat(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{string(formatTable), string(formatJSON)}, cobra.ShellCompDirectiveNoFileComp
}

// print writes value as JSON, or what table writes in columns.
func (a *app) print(value any, table func(*columns)) error {
	if a.format == formatJSON {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	}
	c := newColumns(a.out)
	table(c)
	return c.w.Flush()
}

// columns aligns cells. Write errors come out of the Flush in print.
type columns struct{ w *tabwriter.Writer }

func newColumns(w io.Writer) *columns { return &columns{tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)} }

func (c *columns) row(cells ...string) {
	fmt.Fprintln(c.w, strings.Join(cells, "\t"))
}

// field writes "name:  value" and leaves out what is empty.
func (c *columns) field(name, value string) {
	if value != "" {
		c.row(name+":", value)
	}
}

// list writes the name once, before the first value.
func (c *columns) list(name string, values []string) {
	label := name + ":"
	for _, v := range values {
		c.row(label, v)
		label = ""
	}
}

// size writes bytes as `docker info` does.
func size(bytes int64) string { return units.HumanSize(float64(bytes)) }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// used writes "1GB of 4GB (25.0 %), 3GB available".
func used(used, total, available int64) string {
	percent := 0.0
	if total > 0 {
		percent = 100 * float64(used) / float64(total)
	}
	return fmt.Sprintf("%s of %s (%.1f %%), %s available", size(used), size(total), percent, size(available))
}

// printable keeps a hostile or odd ID from moving the cursor or breaking rows.
func printable(s string) string {
	if quoted := strconv.Quote(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}
