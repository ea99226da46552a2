package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run.
type bench struct {
	scale    Scale
	results  *Results
	subjects []*subject
	subject  *subject // whose turn it is
}

// workload is what each subject does once a round. What it measures it records.
type workload struct {
	name   string
	rounds int
	run    func(context.Context, *bench, *subject) error
}

// record notes a sample of the subject whose turn it is.
func (b *bench) record(figure string, sample float64) {
	b.results.add(figure, b.subject.name, sample)
	fmt.Printf("%-24s %-50s %12.3f\n", b.subject.name, figure, sample*1e3)
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
	b := &bench{scale: set.scale, results: &Results{Where: here(set.commit), Scale: set.scale}}
	return b.drivers(ctx, set)
}

// drivers measures the drivers one after the other.
func (b *bench) drivers(ctx context.Context, set settings) (err error) {
	work := slices.DeleteFunc(workloads(b.scale), func(w workload) bool { return !set.only.MatchString(w.name) })
	if len(work) == 0 {
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
	for _, w := range work {
		err := b.measure(ctx, w)
		// After each, so that a run cut short is worth something.
		if err = errors.Join(err, b.results.write(filepath.Join(set.out, resultsFile))); err != nil {
			return err
		}
	}
	return nil
}

// measure gives each subject its turn in each round, the first turn to another
// one each round.
func (b *bench) measure(ctx context.Context, w workload) error {
	fmt.Printf("# %s\n", w.name)
	begin := time.Now()
	for round := range w.rounds {
		for turn := range b.subjects {
			s := b.subjects[(round+turn)%len(b.subjects)]
			unix.Sync() // what the one before left to write is not this one's
			b.subject = s
			if err := w.run(ctx, b, s); err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, s.name, err)
			}
		}
	}
	fmt.Printf("# %s took %.0f s\n", w.name, time.Since(begin).Seconds())
	return ctx.Err()
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
