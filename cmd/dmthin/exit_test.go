package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/admin"
)

func TestExitCodesAreStable(t *testing.T) {
	ready := readyDaemon().start(t)
	broken := (&daemon{err: errors.New("boom")}).start(t)
	waiting := (&daemon{status: admin.Status{State: admin.StateWaiting}}).start(t)
	notReady := (&daemon{err: admin.ErrNotReady}).start(t)
	nobody := t.TempDir()

	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"done", []string{"status", "--state", ready}, 0, ""},
		{"help", []string{"--help"}, 0, ""},
		{"nothing", []string{}, 0, ""},
		{"failed", []string{"status", "--state", broken}, 1, "boom"},
		{"empty ID", []string{"inspect", "", "--state", ready}, 5, `no such layer: ""`},
		{"unknown command", []string{"nope"}, 2, `unknown command "nope"`},
		{"unknown flag", []string{"ls", "--nope"}, 2, "unknown flag: --nope"},
		{"surplus argument", []string{"status", "x"}, 2, `"x"`},
		{"surplus size", []string{"resize", "1G", "2G"}, 2, "takes one SIZE, got 2"},
		{"missing argument", []string{"inspect"}, 2, "needs one LAYER"},
		{"missing arguments", []string{"snap", "new"}, 2, "needs NEW and PARENT, got 1"},
		{"help on an unknown command", []string{"help", "nope"}, 2, `unknown command "nope" for "dmthin"; see dmthin --help`},
		{"help on an unknown subcommand", []string{"help", "pool", "nope"}, 2, `unknown command "nope" for "dmthin pool"`},
		{"help on a subcommand", []string{"help", "pool", "create"}, 0, ""},
		{"version flag", []string{"--version"}, 0, ""},
		{"negative age", []string{"gc", "--min-age", "-5m", "--state", ready}, 2, "--min-age"},
		{"no way back and forth", []string{"adopt", "--undo", "--commit"}, 2, "exclude each other"},
		{"settings that aren't there", []string{"adopt", "--config-file", nobody + "/deamon.json"}, 2, "no such file"},
		{"the state of another", []string{"adopt", "--state", nobody}, 2, "--data-root"},
		{"the socket of another", []string{"release", "--socket", nobody}, 2, "--data-root"},
		{"a commit that changes nothing", []string{"adopt", "--commit", "--dry-run"}, 2, "--dry-run"},
		{"no state", []string{"repair", "--dry-run", "--state", nobody}, 1, "another data-root: --state DIR"},
		{"bad format", []string{"ls", "--format", "yaml"}, 2, "neither table nor json"},
		{"bad level", []string{"log-level", "loud", "--state", ready}, 2, `"loud"`},
		{"unknown shell", []string{"completion", "tcsh"}, 2, "bash, fish, zsh"},
		{"not ready by list", []string{"ls", "--state", notReady}, 3, "not ready"},
		{"not ready by status", []string{"status", "--exit-code", "--state", waiting}, 3, ""},
		{"status asked plainly", []string{"status", "--state", waiting}, 0, ""},
		{"ready by status", []string{"status", "--exit-code", "--state", ready}, 0, ""},
		{"unreachable", []string{"status", "--exit-code", "--state", nobody}, 4, "can't reach dmthind at " + nobody + "/admin.sock"},
		{"no layer", []string{"inspect", "nope", "--state", ready}, 5, `no such layer: "nope"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := dmthin(t, tt.args...)
			if got.code != tt.code || !strings.Contains(got.errOut, tt.says) {
				t.Errorf("exit %d, stderr %q; want %d and %q", got.code, got.errOut, tt.code, tt.says)
			}
			requireOneLine(t, got.errOut)
		})
	}
}

// requireOneLine wants an error as docker prints its own: one line with the
// program's name.
func requireOneLine(t *testing.T, errOut string) {
	t.Helper()
	if errOut == "" {
		return
	}
	if !strings.HasPrefix(errOut, "dmthin: ") || strings.Count(errOut, "\n") != 1 {
		t.Errorf("stderr is not one line beginning with dmthin: %q", errOut)
	}
}

func TestErrorsAreJSONWhenJSONIsAskedFor(t *testing.T) {
	nobody := t.TempDir()
	tests := []struct {
		args []string
		code int
	}{
		{[]string{"status", "--state", nobody, "--format", "json"}, 4},
		{[]string{"--format=json", "nope"}, 2},
		{[]string{"--format", "json", "inspect"}, 2},
	}
	for _, tt := range tests {
		got := dmthin(t, tt.args...)
		var body struct {
			Error string
			Code  int
		}
		if err := json.Unmarshal([]byte(got.errOut), &body); err != nil {
			t.Errorf("%v: stderr %q: %v", tt.args, got.errOut, err)
		}
		if got.code != tt.code || body.Code != tt.code || body.Error == "" || got.out != "" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want code %d in both", tt.args, got.code, got.out, got.errOut, tt.code)
		}
	}
}

// Joined errors come on a line each.
func TestErrorsAreOneLineAndAskForRoot(t *testing.T) {
	denied := errors.Join(errors.New("first"), &fs.PathError{Op: "open", Path: "/state", Err: fs.ErrPermission})
	for uid, want := range map[int]string{
		0:    "dmthin: first; open /state: permission denied\n",
		1000: "dmthin: first; open /state: permission denied; run this as root\n",
	} {
		var errOut bytes.Buffer
		a := newApp(nil, &errOut, os.Getenv)
		a.uid = uid
		if code := a.report(t.Context(), denied); code != exitFailure || errOut.String() != want {
			t.Errorf("user %d: exit %d, %q; want %q", uid, code, errOut.String(), want)
		}
	}
}

func TestInterruptExitsWith130(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	state := readyDaemon().start(t)
	for _, command := range []string{"status", "version"} {
		var out, errOut bytes.Buffer
		code := newApp(&out, &errOut, os.Getenv).run(ctx, []string{command, "--state", state})
		if code != exitInterrupted || errOut.String() != "dmthin: interrupted\n" {
			t.Errorf("%s: exit %d, stderr %q", command, code, errOut.String())
		}
	}
}

func TestSocketIsFoundByFlagThenEnvironment(t *testing.T) {
	env := map[string]string{"DMTHIN_STATE": "/env"}
	tests := []struct {
		state, socket string
		env           map[string]string
		want          string
	}{
		{"", "", nil, "/var/lib/docker/dmthin/admin.sock"},
		{"", "", env, "/env/admin.sock"},
		{"/flag", "", env, "/flag/admin.sock"},
		{"/flag", "/run/a.sock", env, "/run/a.sock"},
	}
	for _, tt := range tests {
		a := newApp(nil, nil, func(key string) string { return tt.env[key] })
		a.state, a.socket = tt.state, tt.socket
		if got := a.socketPath(); got != tt.want {
			t.Errorf("state %q, socket %q, env %v: %q, want %q", tt.state, tt.socket, tt.env, got, tt.want)
		}
	}
}
