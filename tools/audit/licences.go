package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/licensecheck"
)

// allowed are the licences under which a module may be linked into a program
// that is distributed under Apache-2.0.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// licenceFile names the files of a module's top folder that hold a licence.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([.-].*)?$`)

func findLicences(ctx context.Context, modules []*module) error {
	if err := locate(ctx, modules); err != nil {
		return err
	}
	for _, m := range modules {
		var err error
		if m.Licences, err = licencesIn(m.Dir); err != nil {
			return fmt.Errorf("licence of %s: %w", m.Path, err)
		}
	}
	return nil
}

// licencesIn returns the licences whose texts lie in the folder dir.
func licencesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		for _, match := range licensecheck.Scan(text).Match {
			found = append(found, match.ID)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// checkLicences names each module that has no licence, or one that is not
// allowed.
func checkLicences(modules []*module) error {
	var wrong []error
	for _, m := range modules {
		if len(m.Licences) == 0 {
			wrong = append(wrong, fmt.Errorf("%s %s has no licence that is known", m.Path, m.Version))
		}
		for _, licence := range m.Licences {
			if !slices.Contains(allowed, licence) {
				wrong = append(wrong, fmt.Errorf("%s %s is under %s, which is not allowed here", m.Path, m.Version, licence))
			}
		}
	}
	return errors.Join(wrong...)
}
