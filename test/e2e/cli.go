//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// docker is the docker command with one daemon to talk to.
type docker struct {
	socket string
	home   string // for its settings
}

// commandLimit bounds one docker command on an emulated machine. The slowest,
// builds and plugin pushes, take a minute.
const commandLimit = 4 * time.Minute

// command prepares a docker command. Builds use the classic builder unless
// environ says DOCKER_BUILDKIT=1.
func (c docker) command(ctx context.Context, environ []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+c.socket, "HOME="+c.home, "DOCKER_BUILDKIT=0")
	cmd.Env = append(cmd.Env, environ...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// try runs a docker command and returns its output without the last newline.
// An error holds what it said.
func (c docker) try(args ...string) (string, error) { return c.tryWith(nil, nil, args...) }

func (c docker) tryWith(environ []string, stdin io.Reader, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := c.command(ctx, environ, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), err
}

// run runs a docker command that must succeed.
func (c docker) run(tb testing.TB, args ...string) string {
	tb.Helper()
	return c.runWith(tb, nil, nil, args...)
}

// runWith is run with variables for the command's environment and its input.
func (c docker) runWith(tb testing.TB, environ []string, stdin io.Reader, args ...string) string {
	tb.Helper()
	start := time.Now()
	out, err := c.tryWith(environ, stdin, args...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Logf("%5.1f s docker %s", time.Since(start).Seconds(), strings.Join(args, " "))
	return out
}

// inspect decodes what docker inspect says of an object: container or image.
func (c docker) inspect(tb testing.TB, kind, name string, into any) {
	tb.Helper()
	objects := []json.RawMessage{}
	out := c.run(tb, "inspect", "--type", kind, name)
	if err := json.Unmarshal([]byte(out), &objects); err != nil || len(objects) != 1 {
		tb.Fatalf("docker inspect %s: %v: %s", name, err, out)
	}
	if err := json.Unmarshal(objects[0], into); err != nil {
		tb.Fatalf("docker inspect %s: %v", name, err)
	}
}

// ask is inspect without the docker command, which takes a second to start on
// an emulated machine. path is the API's.
func (c docker) ask(tb testing.TB, path string, into any) {
	tb.Helper()
	client := http.Client{Transport: unixTransport(c.socket), Timeout: time.Minute}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://docker" + path)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, into)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s, %v: %s", path, response.Status, err, text)
	}
}

// containerState is what the tests read of a container.
type containerState struct {
	ID    string `json:"Id"`
	State struct {
		Running bool
		Pid     int
	}
	GraphDriver graphDriver
}

type graphDriver struct {
	Name string
	Data map[string]string
}

func (c docker) container(tb testing.TB, name string) (state containerState) {
	tb.Helper()
	c.ask(tb, "/containers/"+name+"/json", &state)
	return state
}

// imageState is what the tests read of an image.
type imageState struct {
	ID          string `json:"Id"`
	RootFS      struct{ Layers []string }
	GraphDriver graphDriver
}

func (c docker) image(tb testing.TB, name string) (state imageState) {
	tb.Helper()
	c.ask(tb, "/images/"+name+"/json", &state)
	return state
}

// info returns the storage driver's lines of docker info, in their order.
func (c docker) info(tb testing.TB) (driver string, rows [][2]string) {
	tb.Helper()
	var info struct {
		Driver       string
		DriverStatus [][2]string
	}
	out := c.run(tb, "info", "--format", "{{json .}}")
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		tb.Fatalf("docker info: %v: %s", err, out)
	}
	return info.Driver, info.DriverStatus
}

// shell runs a shell command in a running container.
func (c docker) shell(tb testing.TB, container, script string) string {
	tb.Helper()
	return c.run(tb, "exec", container, "sh", "-c", script)
}

// offline are the flags of every container: the daemons have no network.
var offline = []string{"--network", "none"}

// background starts a container that goes on until it is stopped.
func (c docker) background(tb testing.TB, name, image, script string, flags ...string) {
	tb.Helper()
	args := append([]string{"run", "-d", "--stop-timeout", "1", "--name", name}, offline...)
	c.run(tb, append(append(args, flags...), image, "sh", "-c", script)...)
}

// foreground runs a container to its end and removes it.
func (c docker) foreground(tb testing.TB, image, script string, flags ...string) string {
	tb.Helper()
	args := append([]string{"run", "--rm"}, offline...)
	return c.run(tb, append(append(args, flags...), image, "sh", "-c", script)...)
}
