package lvmpool

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmthin/dmthin/internal/lvm"
)

// Plan is what the operator's commands are about to do. Nothing has been
// written yet; what could refuse a disk has been looked at.
type Plan struct {
	VolumeGroup string      `json:"volume_group"`
	Pool        string      `json:"pool"`
	Disks       []Candidate `json:"disks"`

	DataSize     int64 `json:"data_size"`     // of the pool, when it is done
	MetadataSize int64 `json:"metadata_size"` // likewise
	SpareSize    int64 `json:"spare_size"`    // LVM's spare metadata volume; 0 for none
	FreeSize     int64 `json:"free_size"`     // left for the pool to grow into
	ChunkSize    int64 `json:"chunk_size"`

	Steps []Step `json:"steps"`

	lvm *lvm.LVM
}

// Step is one step of a plan: a command, or a profile to write.
type Step struct {
	What  string `json:"what"`  // in words
	Shell string `json:"shell"` // what an operator would type for it

	do func(context.Context) error
}

// Destroys tells what is on the disks and goes, "DISK: WHAT" each.
func (p Plan) Destroys() []string {
	var all []string
	for _, d := range p.Disks {
		for _, what := range d.Destroys {
			all = append(all, d.Device+": "+what)
		}
	}
	return all
}

// PoolDevice is the pool's path, for dm.thinpooldev.
func (p Plan) PoolDevice() string { return "/dev/mapper/" + lvm.DMName(p.VolumeGroup, p.Pool) }

// Apply does the steps in order. progress is told of each before it begins,
// numbered from 1.
func (p Plan) Apply(ctx context.Context, progress func(n int, s Step)) error {
	for i, s := range p.Steps {
		progress(i+1, s)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d of %d, %s: %w", i+1, len(p.Steps), s.What, err)
		}
	}
	return nil
}

// NewStep makes a step of one's own.
func NewStep(what, shell string, do func(context.Context) error) Step { return Step{what, shell, do} }

func (p *Plan) add(what string, c lvm.Command) {
	run := func(ctx context.Context) error { return p.lvm.Run(ctx, c) }
	p.Steps = append(p.Steps, NewStep(what, c.String(), run))
}

func (p *Plan) addProfile(name string, policy lvm.Policy) {
	quoted := "'" + strings.ReplaceAll(policy.ProfileText(), "\n", `\n`) + "'"
	quoted = strings.ReplaceAll(quoted, "\t", "  ")
	p.Steps = append(p.Steps, NewStep("write the profile that has LVM extend the pool",
		"printf "+quoted+" > "+p.lvm.ProfilePath(name),
		func(context.Context) error { return p.lvm.WriteProfile(name, policy) }))
}
