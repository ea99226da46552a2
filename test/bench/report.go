package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// report writes report.md and the plots beside the results, and prints the
// table. With -docs it writes the page's generated part as well.
func report(args []string) error {
	flags := flag.NewFlagSet("bench report", flag.ExitOnError)
	in := flags.String("in", ".", "folder with results.json")
	docs := flags.String("docs", "", "page whose generated part is replaced; plots go beside it")
	note := flags.String("note", "", "what the reader must know about this run, for the report")
	_ = flags.Parse(args) // ExitOnError
	r, err := readResults(filepath.Join(*in, resultsFile))
	if err != nil {
		return err
	}
	text := markdown(r)
	if *note != "" {
		text = "**" + *note + "**\n\n" + text
	}
	fmt.Print(text)
	err = errors.Join(
		os.WriteFile(filepath.Join(*in, "report.md"), []byte(withPlots(text, ".")), 0o644),
		plots(r, *in))
	if err != nil || *docs == "" {
		return err
	}
	dir := filepath.Dir(*docs)
	return errors.Join(replaceGenerated(*docs, withPlots(text, plotDir)), plots(r, filepath.Join(dir, plotDir)))
}
