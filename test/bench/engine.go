package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The engines' names, also in results. Docker 26.1 is the machine's own; 20.10
// still has the devicemapper driver.
const (
	dmthinNew  = "dmthin, Docker 26.1"
	overlayNew = "overlay2, Docker 26.1"
	dmthinOld  = "dmthin, Docker 20.10"
	builtinOld = "devicemapper, Docker 20.10"
)

const engineTimeout = 3 * time.Minute // to its first answer

// engine is a dockerd on a storage driver.
type engine struct {
	name, driver, home string
	programs           string  // folder of its programs; empty for the machine's
	storage            *daemon // dmthind, where that is the driver

	*program // once it was started
	failed   bool
}

// newEngines has two dmthins, one for each Docker: drivers are named after
// their sockets, which all lie in one folder.
func newEngines(program, dir, oldDocker string) []*engine {
	dmthin := func(name, driver, programs string) *engine {
		home := filepath.Join(dir, "engine-"+driver)
		return &engine{name: name, driver: driver, home: home, programs: programs, storage: &daemon{
			path: program, home: filepath.Join(home, "dmthind"), listenAt: "/run/docker/plugins/" + driver + ".sock",
		}}
	}
	return []*engine{
		dmthin(dmthinNew, "dmthin", ""),
		{name: overlayNew, driver: "overlay2", home: filepath.Join(dir, "engine-overlay2")},
		dmthin(dmthinOld, "dmthinold", oldDocker),
		{name: builtinOld, driver: "devicemapper", home: filepath.Join(dir, "engine-devicemapper"), programs: oldDocker},
	}
}

func (e *engine) socket() string { return filepath.Join(e.home, "docker.sock") }

func (e *engine) start(ctx context.Context) error {
	if err := os.MkdirAll(e.home, 0o711); err != nil {
		return err
	}
	if e.storage != nil {
		if err := os.MkdirAll(filepath.Dir(e.storage.socket()), 0o755); err != nil {
			return err
		}
		if err := e.storage.start(ctx); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(e.programs, "dockerd"), "--experimental", "--storage-driver="+e.driver,
		"--iptables=false", "--bridge=none", "--host=unix://"+e.socket(), "--data-root="+filepath.Join(e.home, "root"),
		"--exec-root="+filepath.Join(e.home, "exec"), "--pidfile="+filepath.Join(e.home, "docker.pid"))
	if e.programs != "" { // containerd and runc are found by the path
		cmd.Env = append(os.Environ(), "PATH="+e.programs+":"+os.Getenv("PATH"))
	}
	var err error
	if e.program, err = launch(cmd, filepath.Join(e.home, "dockerd.log")); err != nil {
		return err
	}
	return e.ready(ctx, engineTimeout, 200*time.Millisecond, func(ctx context.Context) error {
		_, err := e.docker(ctx, "version")
		return err
	})
}

// stop ends dockerd before the storage below it.
func (e *engine) stop(ctx context.Context) error {
	var err error
	if e.program != nil {
		err = e.program.stop(ctx)
	}
	if e.storage != nil && e.storage.program != nil {
		err = errors.Join(err, e.storage.stop(ctx))
	}
	return err
}

// docker runs the command; the classic builder is the one that both releases have.
func (e *engine) docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+e.socket(), "DOCKER_BUILDKIT=0", "HOME="+e.home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s on %s: %w: %s", strings.Join(args, " "), e.name, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
