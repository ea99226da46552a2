package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
)

func TestCompletionOffersTheDaemonsLayers(t *testing.T) {
	d := readyDaemon()
	state := d.start(t)
	for _, words := range [][]string{{"inspect", ""}, {"trim", containerID, ""}} {
		got := dmthin(t, append([]string{"__complete", "--state", state}, words...)...)
		for _, l := range d.layers {
			if !strings.Contains(got.out, l.ID+"\n") {
				t.Errorf("%q: completion lacks %s:\n%s", words, l.ID, got.out)
			}
		}
	}
}

func TestCompletionDoesNotFreezeThePrompt(t *testing.T) {
	silent := t.TempDir()
	l, err := admin.Listen(t.Context(), filepath.Join(silent, admin.SocketName)) // never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, state := range map[string]string{"no daemon": t.TempDir(), "silent daemon": silent} {
		start := time.Now()
		got := dmthin(t, "__complete", "inspect", "--state", state, "")
		if took := time.Since(start); took > 2*completionTimeout || strings.Contains(got.out, "dmthind") {
			t.Errorf("%s: after %v: %q", name, took, got.out)
		}
	}
}

func TestCompletionOffersValues(t *testing.T) {
	for want, args := range map[string][]string{
		"warning\n":        {"log-level", ""},
		"json\n":           {"ls", "--format", ""},
		"fish\n":           {"completion", ""},
		"--exit-code\t":    {"status", "--e"},
		"--device\tDISK ":  {"pool", "create", "--dev"},
		"--state\tstate D": {"--sta"},
		"inspect\tShow o":  {"ins"},
	} {
		if got := dmthin(t, append([]string{"__complete"}, args...)...); !strings.Contains(got.out, want) {
			t.Errorf("%v: completion lacks %q:\n%s", args, want, got.out)
		}
	}
}

func TestCompletionScriptsRegisterTheTool(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": "__start_dmthin dmthin",
		"zsh":  "#compdef dmthin",
		"fish": "complete -c dmthin",
	} {
		if got := dmthin(t, "completion", shell); got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("completion %s: exit %d, no %q in it", shell, got.code, want)
		}
	}
	bash := exec.Command("bash", "-euc", `source /dev/stdin; complete -p dmthin`)
	bash.Stdin = strings.NewReader(dmthin(t, "completion", "bash").out)
	if out, err := bash.CombinedOutput(); err != nil || !strings.Contains(string(out), "-F __start_dmthin dmthin") {
		t.Errorf("bash does not take the script: %v: %s", err, out)
	}
}
