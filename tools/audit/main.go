package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	out := flag.String("o", "", "`file` to write the bill of materials to")
	packages := flag.String("packages", "", "`file` with one Debian package and version a line")
	release := flag.String("version", "", "`version` of the whole")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: audit -o FILE [-packages FILE] [-version VERSION] BINARY…")
		os.Exit(2)
	}
	if err := run(context.Background(), *out, *packages, *release, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, packages, release string, binaries []string) error {
	modules, err := linked(binaries)
	if err != nil {
		return err
	}
	if err := findLicences(ctx, modules); err != nil {
		return err
	}
	debian, err := installed(packages)
	if err != nil {
		return err
	}
	if err := write(out, bill(release, modules, debian)); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "audit: %s: %d Go modules, %d Debian packages\n", out, len(modules), len(debian))
	return checkLicences(modules)
}

func write(path string, bom *cdx.BOM) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		file.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return file.Close()
}
