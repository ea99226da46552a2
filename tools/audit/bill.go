package main

import (
	"fmt"
	"os"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// debianPackage is a package whose files the plugin's rootfs carries.
type debianPackage struct {
	Name    string
	Version string
}

// installed reads the list that scripts/plugin-rootfs leaves in the rootfs.
// Without a path there are none.
func installed(path string) ([]debianPackage, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var packages []debianPackage
	for line := range strings.Lines(string(text)) {
		name, version, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is no package and version", path, line)
		}
		name, _, _ = strings.Cut(name, ":") // libc6:amd64
		packages = append(packages, debianPackage{Name: name, Version: version})
	}
	return packages, nil
}

// bill lists everything that the project distributes but did not write.
func bill(release string, modules []*module, packages []debianPackage) *cdx.BOM {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		Type: cdx.ComponentTypeApplication, Name: "dmthin", Version: release,
		Licenses: &cdx.Licenses{licence("Apache-2.0")},
	}}
	var components []cdx.Component
	for _, m := range modules {
		url := "pkg:golang/" + m.Path + "@" + m.Version
		components = append(components, cdx.Component{
			Type: cdx.ComponentTypeLibrary, BOMRef: url, PackageURL: url,
			Name: m.Path, Version: m.Version, Licenses: licences(m.Licences),
		})
	}
	for _, p := range packages {
		url := "pkg:deb/debian/" + p.Name + "@" + p.Version
		components = append(components, cdx.Component{
			Type: cdx.ComponentTypeLibrary, BOMRef: url, PackageURL: url, Name: p.Name, Version: p.Version,
		})
	}
	bom.Components = &components
	return bom
}

func licences(ids []string) *cdx.Licenses {
	var all cdx.Licenses
	for _, id := range ids {
		all = append(all, licence(id))
	}
	return &all
}

func licence(id string) cdx.LicenseChoice {
	return cdx.LicenseChoice{License: &cdx.License{ID: id}}
}
