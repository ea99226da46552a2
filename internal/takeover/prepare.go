package takeover

import (
	"context"
	"slices"
	"time"
)

// plan is for an operation that nothing came before.
func (t *Takeover) plan(ctx context.Context, from Driver, accepted []string) (Plan, error) {
	p, s, err := t.examine(ctx, from)
	if err != nil {
		return p, err
	}
	after, err := t.configFor(p.to, t.config, s.settings.after)
	if err != nil {
		return p, err
	}
	p.survey = s
	p.journal = journal{
		Version: journalVersion, To: p.to, Began: time.Now().UTC(), Intent: s.intent,
		MakeRoom:   t.occupied(p.to),
		ConfigFile: t.config.path, Before: t.config.textOrNil(), After: after.textOrNil(),
	}
	return t.decide(p, s, accepted)
}

// planBack is the way back, of an adoption if there is a journal of one. whole
// brings records back too that were given up: Docker's driver doesn't start
// with one that it can't read, but so it was.
func (t *Takeover) planBack(ctx context.Context, j *journal, whole bool, accepted []string) (Plan, error) {
	if j == nil {
		return t.plan(ctx, DMThin, accepted)
	}
	p, s, err := t.examine(ctx, DMThin)
	if err != nil {
		return p, err
	}
	if p.journal, err = t.reverse(*j); err != nil {
		return p, err
	}
	p.journal.MakeRoom = t.occupied(p.to)
	if !whole {
		p.journal.Return = nil
	}
	// What was given up on the way here is no news; of that only what is found
	// again counts.
	for _, name := range j.Accepted {
		if isOpen(p.Findings, name) {
			accepted = append(accepted, name)
		}
	}
	return t.decide(p, s, accepted)
}

// examine looks at all there is.
func (t *Takeover) examine(ctx context.Context, from Driver) (Plan, *survey, error) {
	p := Plan{Root: t.root, to: from.other()}
	if err := t.examineDocker(ctx, &p); err != nil {
		return p, nil, err
	}
	t.examineForms(&p)
	s, err := t.look(ctx, from)
	if err != nil {
		return p, nil, err
	}
	s.examineFit()
	sortFindings(s.findings)
	p.Pool, p.PoolAt = s.pool.kind, s.pool.data
	if s.pool.name != "" {
		p.PoolAt = s.pool.name
	}
	p.Filesystem, p.TransactionID = string(s.base.Type), s.metadata.TransactionID
	p.Layers, p.Devices, p.Images, p.Containers = len(s.records.Layers), len(s.devices), s.stores.images, len(s.stores.containers)
	p.Findings, p.Notes = s.findings, append(p.Notes, s.notes...)
	return p, s, nil
}

// decide takes in what the operator gives up, and refuses the rest.
func (t *Takeover) decide(p Plan, s *survey, accepted []string) (Plan, error) {
	left, err := accept(p.Findings, accepted)
	if err != nil {
		return p, err
	}
	for name := range s.records.Damaged {
		if !isOpen(left, name) {
			// Docker's driver doesn't start with one, dmthin would go on about it.
			p.journal.Aside = append(p.journal.Aside, name)
		}
	}
	slices.Sort(p.journal.Aside)
	p.journal.Accepted = accepted
	if err := t.listSteps(&p); err != nil {
		return p, err
	}
	return p, refuse(left)
}

func isOpen(found []Finding, name string) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Name == name })
}
