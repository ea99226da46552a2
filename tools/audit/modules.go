package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// module is a Go module that is linked into a binary.
type module struct {
	Path     string
	Version  string
	Dir      string   // its source, in the module cache
	Licences []string // SPDX identifiers, sorted
}

// linked returns the modules that the binaries were linked from, each once,
// sorted, and without the project's own.
func linked(binaries []string) ([]*module, error) {
	found := map[string]*module{}
	for _, binary := range binaries {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return nil, err
		}
		for _, dep := range info.Deps {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			found[dep.Path+"@"+dep.Version] = &module{Path: dep.Path, Version: dep.Version}
		}
		found["std@"+info.GoVersion] = &module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
	}
	var modules []*module
	for _, m := range found {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b *module) int {
		return strings.Compare(a.Path+"@"+a.Version, b.Path+"@"+b.Version)
	})
	return modules, nil
}

// locate finds the modules' sources, which the go command has fetched to build
// with, or fetches now.
func locate(ctx context.Context, modules []*module) error {
	byName := map[string]*module{}
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		if m.Path == "std" {
			root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
			if err != nil {
				return fmt.Errorf("go env GOROOT: %w", err)
			}
			m.Dir = strings.TrimSpace(string(root))
			continue
		}
		name := m.Path + "@" + m.Version
		byName[name] = m
		args = append(args, name)
	}
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return fmt.Errorf("go mod download: %w: %s", err, out)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var at struct{ Path, Version, Dir string }
		if err := decoder.Decode(&at); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go mod download: %w", err)
		}
		if m := byName[at.Path+"@"+at.Version]; m != nil {
			m.Dir = at.Dir
		}
	}
}
