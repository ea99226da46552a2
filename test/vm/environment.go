package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dmthin/dmthin/test/vm/image"
	"github.com/dmthin/dmthin/test/vm/machine"
	"github.com/dmthin/dmthin/test/vm/session"
)

const module = "github.com/dmthin/dmthin"

// environment is what the commands know of the machine they run on.
type environment struct {
	root  string // of the source tree
	cache string // images, run folders
}

func findEnvironment() (environment, error) {
	dir, err := os.Getwd()
	if err != nil {
		return environment{}, err
	}
	for ; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+module+"\n") {
			break
		}
		if dir == "/" {
			return environment{}, errors.New("not inside the source tree of " + module)
		}
	}
	cache := os.Getenv("DMTHIN_VM_CACHE")
	if cache == "" {
		cache = filepath.Join(dir, ".cache", "vm")
	}
	return environment{root: dir, cache: cache}, nil
}

// newSession prepares a boot of the named release; remove deletes what it
// needed on disk.
func (e environment) newSession(ctx context.Context, distro, out string) (s session.Session, remove func(), err error) {
	d, err := image.Lookup(distro)
	if err != nil {
		return s, nil, err
	}
	img, err := image.Cache{Dir: e.cache, Log: os.Stderr}.Get(ctx, d)
	if err != nil {
		return s, nil, err
	}
	work, remove, err := newWorkDir(filepath.Join(e.cache, "run"))
	if err != nil {
		return s, nil, err
	}
	agent, err := e.buildAgent(ctx, work)
	if err != nil {
		remove()
		return s, nil, err
	}
	return session.Session{
		Image: img, Accel: machine.Probe(ctx, img, e.cache), Repo: e.root, Work: work, Out: out, Agent: agent,
		Memory: "6G", CPUs: min(runtime.NumCPU(), 4),
	}, remove, nil
}

// buildAgent compiles the guest agent; static, so that it runs on any release.
func (e environment) buildAgent(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "guest")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, module+"/test/vm/guest")
	cmd.Dir = e.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the guest agent: %w\n%s", err, said)
	}
	return path, nil
}
