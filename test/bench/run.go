package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run.
type bench struct {
	scale    Scale
	dir      string // on the disk that is measured
	results  *Results
	subjects []*subject
	subject  *subject // whose turn it is
	began    time.Time
}

// workload is what each subject does once a round. What it measures it records.
type workload struct {
	name   string
	rounds int // the first always; later ones while there is time
	// only names the subjects that take part; empty for all.
	only []string
	run  func(context.Context, *bench, *subject) error
}

func (w workload) wants(s *subject) bool {
	for _, name := range w.only {
		if name == s.name {
			return true
		}
	}
	return len(w.only) == 0
}

// record notes a sample of the subject whose turn it is.
func (b *bench) record(figure string, sample float64) {
	b.results.add(figure, b.subject.name, sample)
	fmt.Printf("%-26s %-52s %12s\n", b.subject.name, figure, unitOf(figure).format(sample))
}

func run(ctx context.Context, args []string) error {
	set, err := parseSettings(args)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("must run as root")
	}
	if err := os.MkdirAll(set.dir, 0o711); err != nil {
		return err
	}
	b := &bench{
		scale: set.scale, dir: set.dir, began: time.Now(),
		results: &Results{Where: here(set.commit), Scale: set.scale, path: filepath.Join(set.out, resultsFile)},
	}
	if err := b.drivers(ctx, set); err != nil {
		return err
	}
	if b.scale.ImageTree > 0 && set.only.MatchString(engineWork) {
		if err := b.measureEngines(ctx, newEngines(set.program, set.dir, set.oldDocker)); err != nil {
			return err
		}
	}
	if err := b.results.write(); err != nil {
		return err
	}
	if n := len(b.results.Failures); n > 0 {
		return fmt.Errorf("%d failed, the last: %s", n, b.results.Failures[n-1])
	}
	return nil
}

// drivers measures the drivers by themselves, without a dockerd.
func (b *bench) drivers(ctx context.Context, set settings) (err error) {
	var phases [][]workload
	for _, phase := range workloads(b.scale) {
		phase = slices.DeleteFunc(phase, func(w workload) bool { return !set.only.MatchString(w.name) })
		if len(phase) > 0 {
			phases = append(phases, phase)
		}
	}
	if len(phases) == 0 {
		return nil
	}
	if b.subjects, err = subjects(ctx, set); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.closeAll()) }()
	for _, s := range b.subjects {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	for _, phase := range phases {
		if err := b.rounds(ctx, phase); err != nil {
			return err
		}
	}
	return nil
}

// rounds does each workload once before any a second time, so that what time
// is left for is the same figures again.
func (b *bench) rounds(ctx context.Context, phase []workload) error {
	for round := 0; ; round++ {
		left := slices.DeleteFunc(slices.Clone(phase), func(w workload) bool { return w.rounds <= round })
		if len(left) == 0 {
			return nil
		}
		for _, w := range left {
			if round > 0 && b.late() {
				return nil
			}
			if err := b.measure(ctx, w, round); err != nil {
				return err
			}
		}
	}
}

func (b *bench) late() bool { return time.Since(b.began) > b.scale.Limit }

// measure gives each subject its turn, the first turn to another one each round.
// One that fails does not keep the others from being measured. The results are
// written each time, so that a run cut short is worth something.
func (b *bench) measure(ctx context.Context, w workload, round int) error {
	begin := time.Now()
	for turn := range b.subjects {
		s := b.subjects[(round+turn)%len(b.subjects)]
		if !w.wants(s) {
			continue
		}
		settle(ctx)
		b.subject = s
		if err := w.run(ctx, b, s); err != nil {
			b.fail(fmt.Errorf("%s, %s: %w", w.name, s.name, err))
		}
	}
	fmt.Printf("# %s, round %d: %.0f s\n", w.name, round+1, time.Since(begin).Seconds())
	return errors.Join(b.results.write(), ctx.Err())
}

// fail notes what went wrong, and goes on.
func (b *bench) fail(err error) {
	fmt.Println("# failed:", err)
	b.results.Failures = append(b.results.Failures, err.Error())
}

// settle lets end what the one before left to do: it is not the next one's.
func settle(ctx context.Context) {
	unix.Sync()
	// udev looks at devices that came and went; without it there is nothing to wait for.
	_ = exec.CommandContext(ctx, "udevadm", "settle", "--timeout=10").Run()
}

func (b *bench) closeAll() error {
	var errs []error
	for _, s := range b.subjects {
		errs = append(errs, s.close(context.Background())) // also after an interrupt
	}
	return errors.Join(errs...)
}

func subjects(ctx context.Context, set settings) ([]*subject, error) {
	at := func(name string) string { return filepath.Join(set.dir, name) }
	all := []*subject{
		newDmthin(dmthinLoop, set.program, at("dmthin")),
		newBuiltin(builtinLoop, at("devicemapper")),
		newOverlay(at("overlay2")),
	}
	all[0].idle = newDmthin("idle dmthin", set.program, at("dmthin-idle"))
	if !set.scale.Pools {
		return all, nil
	}
	pools, err := makePools(ctx, set.disk, 2)
	if err != nil {
		return nil, err
	}
	return append(all,
		newDmthin(dmthinDirect, set.program, at("dmthin-direct"), "dm.thinpooldev="+pools[0]),
		newBuiltin(builtinDirect, at("devicemapper-direct"), "dm.thinpooldev="+pools[1]),
	), nil
}

// timed is how long f takes, in seconds.
func timed(f func() error) (float64, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin).Seconds(), err
}
