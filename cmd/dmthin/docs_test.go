package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

func newTree() *cobra.Command { return newRootCommand(newApp(nil, nil, os.Getenv)) }

// An example's command ends where the shell's own syntax begins.
var exampleCommand = regexp.MustCompile(`dmthin ([^|>)\n]*)`)

// onAHost are commands whose examples need a host with a pool, not only a
// daemon: their arguments are only parsed here.
var onAHost = []string{"repair", "restore", "mount", "unmount", "adopt", "release"}

func TestEveryExampleInTheHelpWorks(t *testing.T) {
	state := readyDaemon().docker(t, imageID, containerID, containerID+"-init")
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("build/man", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range append(newTree().Commands(), newTree()) {
		examples := exampleCommand.FindAllStringSubmatch(cmd.Example, -1)
		if len(examples) == 0 && cmd.Name() != "help" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, e := range examples {
			args := strings.Fields(e[1])
			if slices.Contains(onAHost, cmd.Name()) {
				requireParses(t, args)
				continue
			}
			args = append(args, "--state", state)
			if got := dmthin(t, args...); got.code != exitOK {
				t.Errorf("example %q: exit %d, %s", e[0], got.code, got.errOut)
			}
		}
	}
}

func requireParses(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := newTree().Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("example %q: %v", args, err)
	}
}

func TestManPagesAreReproducible(t *testing.T) {
	pages := func(epoch string) map[string]string {
		dir := t.TempDir()
		got := dmthinEnv(t, map[string]string{"SOURCE_DATE_EPOCH": epoch}, "man", dir)
		if got.code != exitOK {
			t.Fatalf("exit %d: %s", got.code, got.errOut)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		content := map[string]string{}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			content[filepath.Base(f)] = string(raw)
		}
		return content
	}
	const epoch = "1000000000" // September 2001
	first := pages(epoch)
	if diff := cmp.Diff(first, pages(epoch)); diff != "" {
		t.Errorf("two runs differ: %s", diff)
	}
	for _, name := range []string{"dmthin.1", "dmthin-status.1", "dmthin-inspect.1"} {
		if !strings.Contains(first[name], "Sep 2001") {
			t.Errorf("%s does not carry the date of SOURCE_DATE_EPOCH: %.300s", name, first[name])
		}
	}
	if got := dmthinEnv(t, map[string]string{"SOURCE_DATE_EPOCH": "today"}, "man", t.TempDir()); got.code != exitFailure {
		t.Errorf("SOURCE_DATE_EPOCH=today: exit %d, want 1", got.code)
	}
}

func TestManualNamesEveryCommandFlagKeyAndExitCode(t *testing.T) {
	raw, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(raw)
	requireIn := func(what string) {
		t.Helper()
		if !strings.Contains(manual, what) {
			t.Errorf("docs/cli.md lacks %s", what)
		}
	}
	root := newTree()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Name() == "help" {
			continue
		}
		requireIn("`" + strings.TrimSpace("dmthin "+strings.TrimPrefix(cmd.Name(), "dmthin")))
		cmd.Flags().VisitAll(func(f *pflag.Flag) { requireIn("`--" + f.Name) })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { requireIn("`--" + f.Name) })
	}
	ofDaemon := []any{
		admin.Version{}, admin.Status{}, admin.PoolStatus{}, admin.LayerList{}, admin.Layer{}, admin.LogLevel{},
		admin.Growth{}, admin.CheckReport{}, admin.Finding{}, admin.CollectReport{}, admin.Garbage{}, admin.TrimReport{}, admin.Trimmed{}, admin.ResizeReport{},
	}
	for _, v := range append(ofDaemon, ofTool...) {
		for f := range structFields(reflect.TypeOf(v)) {
			if f.IsExported() {
				requireIn("`" + f.Tag.Get("json") + "`")
			}
		}
	}
	for _, code := range []int{exitOK, exitFailure, exitUsage, exitNotReady, exitUnreachable, exitNoLayer, exitFound, exitRefused, exitInterrupted} {
		requireIn("| " + strconv.Itoa(code) + " |")
		if !regexp.MustCompile(`(?m)^ +` + strconv.Itoa(code) + `  `).MatchString(root.Long) {
			t.Errorf("dmthin --help lacks exit code %d", code)
		}
	}
}

// ofTool are what the tool itself prints as JSON.
var ofTool = []any{
	versions{}, clientVersion{}, removed{}, mountedLayer{}, records{}, repair{}, takeoverReport{}, takeoverFinding{},
	poolResult{}, lvmpool.Plan{}, lvmpool.Candidate{}, lvmpool.Step{}, lvmpool.Report{}, lvmpool.DiskReport{},
}

// Scripts depend on these keys: -update is right where the golden file only
// gets more of them. Those of the daemon have such a test in internal/admin.
func TestTheToolsJSONKeysStayAsTheyAre(t *testing.T) {
	var keys strings.Builder
	for _, v := range ofTool {
		fmt.Fprintf(&keys, "%T\n", v)
		for f := range structFields(reflect.TypeOf(v)) {
			if f.IsExported() {
				fmt.Fprintf(&keys, "  %s %s\n", f.Tag.Get("json"), f.Type)
			}
		}
	}
	requireGolden(t, "json-keys.txt", keys.String())
}

func structFields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
