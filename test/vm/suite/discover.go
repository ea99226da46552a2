// Package suite finds the tests that need a kernel with device-mapper, and
// compiles them into jobs. Which machine runs them is not its business.
package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Package is a Go package with tests that only exist with the suite's build tags.
type Package struct {
	Dir   string
	Name  string   // path from the source tree's root
	Tests []string // names of the test functions
	Once  []string // those of Tests that the newest release is enough for
	Last  []string // those of Tests that the oldest release is enough for
	Long  []string // those of Tests that a short run leaves out
}

// The directives above a test: its outcome doesn't depend on the release, so it
// runs on the first of them only, or on the last; it takes too long for each
// change, so it runs when it is asked for.
const (
	once = "//vm:once"
	last = "//vm:last"
	long = "//vm:long"
)

// For returns the package as it is to run on a release that may be the first
// of all, the last, or both.
func (p Package) For(isFirst, isLast bool) Package {
	p.Tests = slices.DeleteFunc(slices.Clone(p.Tests), func(t string) bool {
		return !isFirst && slices.Contains(p.Once, t) || !isLast && slices.Contains(p.Last, t)
	})
	return p
}

// listed is what go list says of a package.
type listed struct {
	Dir          string
	TestGoFiles  []string
	XTestGoFiles []string
}

// Discover finds, in the module at root, the packages that have tests under
// the build tags which they don't have without.
func Discover(ctx context.Context, root string, tags []string) ([]Package, error) {
	plain, err := list(ctx, root, nil)
	if err != nil {
		return nil, err
	}
	tagged, err := list(ctx, root, tags)
	if err != nil {
		return nil, err
	}
	for dir, files := range tagged {
		tagged[dir] = slices.DeleteFunc(files, func(f string) bool { return slices.Contains(plain[dir], f) })
	}
	return withTests(root, tagged)
}

// Module finds the packages of a module of its own below root, and all their
// tests: such a module is there for the suite only.
func Module(ctx context.Context, root, dir string) ([]Package, error) {
	files, err := list(ctx, filepath.Join(root, dir), nil)
	if err != nil {
		return nil, err
	}
	return withTests(root, files)
}

// withTests makes packages of the directories whose files hold tests.
func withTests(root string, files map[string][]string) ([]Package, error) {
	var packages []Package
	for dir, names := range files {
		p := Package{Dir: dir}
		err := p.addTests(names)
		if err != nil {
			return nil, err
		}
		if p.Name, err = filepath.Rel(root, dir); err != nil {
			return nil, err
		}
		if len(p.Tests) > 0 {
			packages = append(packages, p)
		}
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return packages, nil
}

// list maps each package's directory to its test files.
func list(ctx context.Context, root string, tags []string) (map[string][]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-tags", strings.Join(tags, ","),
		"-json=Dir,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	files := map[string][]string{}
	dec := json.NewDecoder(out)
	for {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		files[p.Dir] = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return files, nil
}

// addTests names the tests in the given files, and those with a directive.
func (p *Package) addTests(files []string) error {
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !isTest(f.Name.Name) {
				continue
			}
			p.Tests = append(p.Tests, f.Name.Name)
			if says(f.Doc, once) {
				p.Once = append(p.Once, f.Name.Name)
			}
			if says(f.Doc, last) {
				p.Last = append(p.Last, f.Name.Name)
			}
			if says(f.Doc, long) {
				p.Long = append(p.Long, f.Name.Name)
			}
		}
	}
	return nil
}

func says(doc *ast.CommentGroup, directive string) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return c.Text == directive })
}

// isTest applies go test's rule: Testify is no test, TestMain is none either.
func isTest(name string) bool {
	rest, ok := strings.CutPrefix(name, "Test")
	r, _ := utf8.DecodeRuneInString(rest)
	return ok && name != "TestMain" && (rest == "" || !unicode.IsLower(r))
}
