package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const isc = `Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES
WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR
ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF
OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`

func TestLicencesAreKnownByTheirText(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "LICENSE.txt", "Copyright someone\n\n"+isc)
	writeFile(t, dir, "README", "SPDX-License-Identifier: GPL-2.0-only")
	got, err := licencesIn(dir)
	if err != nil || !slices.Equal(got, []string{"ISC"}) {
		t.Errorf("found %q, %v", got, err)
	}
}

func TestModulesUnderOtherLicencesAreRefusedByName(t *testing.T) {
	err := checkLicences([]*module{
		{Path: "fine", Licences: []string{"MIT"}},
		{Path: "copyleft", Licences: []string{"GPL-3.0", "MIT"}},
		{Path: "unknown"},
	})
	if err == nil || strings.Contains(err.Error(), "fine") ||
		!strings.Contains(err.Error(), "copyleft  is under GPL-3.0") || !strings.Contains(err.Error(), "unknown  has no licence") {
		t.Errorf("the answer was: %v", err)
	}
}

func TestBillListsModulesAndDebianPackages(t *testing.T) {
	list := writeFile(t, t.TempDir(), "packages", "libc6:amd64 2.36-9\nlvm2 2.03.16-2\n")
	packages, err := installed(list)
	if err != nil {
		t.Fatal(err)
	}
	bom := bill("v1.0.0", []*module{{Path: "example.org/m", Version: "v1.2.3", Licences: []string{"MIT"}}}, packages)
	var urls []string
	for _, c := range *bom.Components {
		urls = append(urls, c.PackageURL)
	}
	want := []string{"pkg:golang/example.org/m@v1.2.3", "pkg:deb/debian/libc6@2.36-9", "pkg:deb/debian/lvm2@2.03.16-2"}
	if !slices.Equal(urls, want) {
		t.Errorf("the bill lists %q", urls)
	}
	if bom.Metadata.Component.Type != cdx.ComponentTypeApplication || bom.Metadata.Component.Version != "v1.0.0" {
		t.Errorf("the bill is of %+v", bom.Metadata.Component)
	}
}

func TestUnreadablePackageListIsRefused(t *testing.T) {
	if _, err := installed(writeFile(t, t.TempDir(), "packages", "lvm2\n")); err == nil {
		t.Error("a package without a version was taken")
	}
}

func TestLinkedModulesComeFromTheBinary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	modules, err := linked([]string{self})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(modules, func(m *module) bool { return m.Path == "github.com/CycloneDX/cyclonedx-go" }) {
		t.Errorf("not among the modules: cyclonedx-go: %v", modules)
	}
}
