package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// engineWork is the name of all that is done with dockerds.
const engineWork = "docker"

// engineRun is what users do, by the docker command, on every engine in turn.
type engineRun struct {
	*bench
	engines []*engine
	archive string // for docker load
	context string // folder with the Dockerfile
}

// measureEngines leaves an engine out that fails.
func (b *bench) measureEngines(ctx context.Context, engines []*engine) error {
	r := engineRun{bench: b, engines: engines, archive: filepath.Join(b.dir, "image.tar"), context: filepath.Join(b.dir, "context")}
	if err := r.prepare(); err != nil {
		return err
	}
	defer r.stopAll()
	for _, e := range engines {
		if err := e.start(ctx); err != nil {
			r.leaveOut(e, err)
		}
	}
	for round := range b.scale.SlowRounds {
		if round > 0 && b.late() {
			break
		}
		for turn := range engines {
			e := engines[(round+turn)%len(engines)]
			if e.failed {
				continue
			}
			settle(ctx)
			b.subject = &subject{name: e.name}
			if err := r.round(ctx, e); err != nil {
				r.leaveOut(e, err)
			}
			if err := errors.Join(b.results.write(), ctx.Err()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r engineRun) leaveOut(e *engine, err error) {
	e.failed = true
	r.fail(fmt.Errorf("%s: %w", e.name, err))
}

func (r engineRun) stopAll() {
	for _, e := range r.engines {
		if err := e.stop(context.Background()); err != nil { // also after an interrupt
			r.fail(fmt.Errorf("stop %s: %w", e.name, err))
		}
	}
}

func (r engineRun) prepare() error {
	if err := os.MkdirAll(r.context, 0o755); err != nil {
		return err
	}
	var steps strings.Builder
	fmt.Fprintf(&steps, "FROM %s\n", imageName)
	for i := range r.scale.Steps {
		fmt.Fprintf(&steps, "RUN echo %d > /step%d\n", i, i)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(r.context, "Dockerfile"), []byte(steps.String()), 0o644),
		writeImage(r.archive, shell, r.scale.ImageTree))
}

func (r engineRun) round(ctx context.Context, e *engine) error {
	// In this order: each needs what those before left.
	for _, step := range []struct {
		figure string // empty: not measured
		times  int
		args   []string
	}{
		{figLoad, 1, []string{"load", "--quiet", "--input", r.archive}},
		{figRun, r.scale.Runs, []string{"run", "--rm", "--network=none", imageName, "/bin/sh", "-c", "true"}},
		{"", 1, []string{"run", "--name=changed", "--network=none", imageName, "/bin/sh", "-c", changeSome(r.scale.ImageTree)}},
		{figCommit, 1, []string{"commit", "changed", "committed"}},
		{figRemoveContainer, 1, []string{"rm", "changed"}},
		{figBuild, 1, []string{"build", "--quiet", "--no-cache", "--network=none", "--tag=built", r.context}},
		{"", 1, []string{"rmi", "built", "committed", imageName}},
	} {
		var each []float64
		for range step.times {
			t, err := timed(func() error { _, err := e.docker(ctx, step.args...); return err })
			if err != nil {
				return err
			}
			each = append(each, t)
		}
		if step.figure != "" {
			r.record(step.figure, median(each))
		}
	}
	return nil
}

// changeSome appends to ten files of the tree.
func changeSome(files int) string {
	var command strings.Builder
	for i := range 10 {
		fmt.Fprintf(&command, "echo changed >>/%s;", fileName(i*files/10))
	}
	return command.String()
}
